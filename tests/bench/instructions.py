#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the instructions that the workloads take on one worker and compares them with limits.

Usage: instructions.py GREENROOM_BENCH [--skip WHY]. Times say little on a machine that does other
things too; instructions under callgrind hardly depend on that. Each workload runs at two sizes, so
that the start of the program and of the runtime falls out of the difference.

Ends with 77, and says why, where it cannot run or its figures would mean nothing. The figures are
those of g++ 12 on x86-64, in the release build. Who makes a workload cheaper, or dearer for a good
reason, writes the new figure below.
"""
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple

MARGIN = 0.15
SKIPPED = 77

# `each`: units of work for one of n. A run has n / 10 for a warm-up and then n.
workload = namedtuple("workload", "words unit sizes each instructions")
WORKLOADS = [
    workload("yield", "switch", (100_000, 200_000), 1, 160),
    workload("pingpong form=function", "message", (50_000, 100_000), 1, 380),
    workload("pingpong form=object", "message", (50_000, 100_000), 1, 406),
    workload("ring actors=100", "hop", (50_000, 150_000), 1, 382),
    workload("spawn", "actor", (10_000, 40_000), 1, 1240),
    workload("skynet", "leaf", (1_000, 10_000), 1, 1726),
    workload("fanin", "message", (10_000, 20_000), 8, 210),
    workload("ask accounts=100", "transfer", (10_000, 30_000), 1, 2683),
]


def instructions_of(program, words):
    """All that a run of the program takes, from its start to its end."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, *words]
    # Meson has malloc() fill what it gives.
    plain = {name: value for name, value in os.environ.items() if name != "MALLOC_PERTURB_"}
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=False)
    counted = re.search(r"Collected *: *(\d+)", done.stderr)
    if done.returncode != 0 or not counted:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return int(counted[1])


def per_unit(program, of):
    totals = [instructions_of(program, [*of.words.split(), "w=1", f"n={n}"]) for n in of.sizes]
    small, big = (of.each * (n + n // 10) for n in of.sizes)
    return (totals[1] - totals[0]) / (big - small)


def main(program, *options):
    why = options[1] if options[:1] == ("--skip",) else ""
    if not why and not shutil.which("valgrind"):
        why = "valgrind is not installed"
    if why:
        print(f"skipped: {why}")
        return SKIPPED
    failed = 0
    print(f"{'workload':<24}{'unit':<10}{'instructions':>12}{'limit':>8}")
    for of in WORKLOADS:
        limit = of.instructions * (1 + MARGIN)
        found = per_unit(program, of)
        remark = ""
        if found > limit:
            failed += 1
            remark = f"  more than {of.instructions} and {MARGIN:.0%}"
        elif found < of.instructions * (1 - MARGIN):
            remark = f"  far less than {of.instructions}: write the new figure down"
        print(f"{of.words:<24}{of.unit:<10}{found:>12.1f}{limit:>8.0f}{remark}", flush=True)
    print(f"{len(WORKLOADS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
