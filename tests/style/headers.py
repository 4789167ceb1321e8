#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every public header alone. Usage: headers.py TOP net|no-net COMPILER...

A module's header sees only the include folders of its own and the lower layers, so a header that
includes upwards does not compile. <greenroom/greenroom.hpp> is also asked what it drags in.
"""
import os
import subprocess
import sys

MODULES = ["scheduler", "mailbox", "core"]
FLAGS = ["-std=c++23", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror",
         "-fsyntax-only", "-DASIO_STANDALONE", "-x", "c++"]
NEEDS_ASIO = {"greenroom/asio.hpp", "greenroom/pending.hpp"}
# Headers of the standard library that would double the compile time of a small program.
HEAVY = {"memory", "functional", "thread", "mutex", "iostream", "regex", "asio.hpp",
         "spdlog.h"}


def command(top, compiler, module):
    compiler = [part for part in compiler if os.path.basename(part) != "ccache"]
    visible = MODULES[:MODULES.index(module) + 1]
    return compiler + FLAGS + [f"-I{top}/{m}/include" for m in visible]


def compile_alone(top, compiler, module, header):
    source = f"#include <{header}>\n#include <{header}>\n"
    done = subprocess.run(command(top, compiler, module) + ["-"], input=source, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        print(f"<{header}> does not compile alone:\n{done.stderr}")
    return done.returncode == 0


def is_light(top, compiler):
    flags = [f for f in command(top, compiler, "core") if f != "-fsyntax-only"]
    done = subprocess.run(flags + ["-M", "-"], input="#include <greenroom/greenroom.hpp>\n",
                          text=True, capture_output=True, check=False)
    files = {os.path.basename(word) for word in done.stdout.split()}
    heavy = sorted(files & HEAVY)
    if heavy:
        print(f"<greenroom/greenroom.hpp> drags in {', '.join(heavy)}")
    return not heavy and done.returncode == 0


def main(top, net, compiler):
    passed = failed = 0
    for module in MODULES:
        base = os.path.join(top, module, "include")
        for folder, _, names in sorted(os.walk(base)):
            for name in sorted(names):
                header = os.path.relpath(os.path.join(folder, name), base)
                if net != "net" and header in NEEDS_ASIO:
                    continue
                if compile_alone(top, compiler, module, header):
                    passed += 1
                else:
                    failed += 1
    if is_light(top, compiler):
        passed += 1
    else:
        failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
