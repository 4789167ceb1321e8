#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the 20-line example costs to compile, beside the same program in CAF.

Compiles examples/hello/main.cpp and caf_counter.cpp (-O0, no linking) in turn, prints the median
CPU seconds of each and their ratio. Without CAF (Debian: libcaf-dev) it prints the first alone.
"""
import argparse
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
INCLUDES = [f"-I{ROOT}/{module}/include" for module in ("scheduler", "mailbox", "core")]
# CAF 0.17 is C++11 and meets C++17 at most.
PROGRAMS = {
    "greenroom": ["-std=c++23", *INCLUDES, f"{ROOT}/examples/hello/main.cpp"],
    "caf": ["-std=c++17", f"{HERE}/caf_counter.cpp"],
}


def cpu_seconds(command):
    """Runs a compiler to its end; its own CPU time and its children's, in seconds."""
    environment = dict(os.environ, CCACHE_DISABLE="1")
    child = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    text = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{text}")
    return used.ru_utime + used.ru_stime


def has_caf(compiler):
    probe = [compiler, "-std=c++17", "-x", "c++", "-fsyntax-only", "-include", "caf/config.hpp",
             "/dev/null"]
    return subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--cxx", default=os.environ.get("CXX", "g++"), help="the compiler")
    arguments.add_argument("-n", "--runs", type=int, default=5)
    options = arguments.parse_args()
    names = ["greenroom"] + (["caf"] if has_caf(options.cxx) else [])
    seconds = {name: [] for name in names}
    for name in names:  # headers into the page cache
        cpu_seconds([options.cxx, "-fsyntax-only", *PROGRAMS[name]])
    for _ in range(options.runs):
        for name in names:
            command = [options.cxx, "-O0", "-c", "-o", os.devnull, *PROGRAMS[name]]
            seconds[name].append(cpu_seconds(command))
    median = {name: statistics.median(seconds[name]) for name in names}
    for name in names:
        low, high = min(seconds[name]), max(seconds[name])
        print(f"{name:9} {median[name]:.2f} CPU s ({low:.2f}-{high:.2f})")
    if "caf" in names:
        print(f"ratio     {median['greenroom'] / median['caf']:.2f}")
    else:
        print("no CAF headers here (Debian: libcaf-dev), hence no ratio")


main()
