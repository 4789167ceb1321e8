#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the lock-free sources in relacy's model of the C++ memory, then each of their mutations.

Usage: run.py TOP_OF_THE_TREE WORK_FOLDER COMPILER...

The checks must hold for all schedules tried: random ones, and all with few forced switches. Each
mutation (mutations.py) must make one of its checks fail. relacy's random scheduler is seeded by
the number of the schedule, so every run tries the same ones. Exits 77 (skipped) without relacy.
"""
import os
import subprocess
import sys
import time

import mutations

RANDOM = 120_000
RANDOM_TO_FAIL = 600_000
# Of the programs: their checks, and how many forced switches are searched in full.
PROGRAMS = {
    "ring_check": {"run_ring_1": 2, "run_ring_2": 1, "fresh_ring_1": 3, "fresh_ring_2": 2,
                   "fresh_ring_ends_1": 3, "fresh_ring_ends_2": 2, "biased_run_1": 2,
                   "biased_run_2": 1, "biased_fresh_1": 2, "biased_fresh_2": 1},
    "idle_check": {"idle_1_1": 3, "idle_1_2": 2, "idle_2_2": 1, "poller_1_1": 3, "poller_2_2": 1},
    "inbox_check": {"unbounded_2x2": 2, "unbounded_3x1": 1, "in_place_2x2": 2,
                    "in_place_bounded": 1, "capacity_1": 1, "capacity_2": 0, "stopped": 1,
                    "stopped_in_place": 2, "stopped_full": 0},
    "oldest_check": {"oldest_2x2": 1, "oldest_2x3": 0},
}
COPIES = {mutations.IDLE: "idle_set.hpp", mutations.RINGS: "run_queue.hpp",
          mutations.BIAS: "bias.hpp",
          mutations.INBOX: "greenroom/detail/inbox.hpp"}


def replaced(text, path, old, new):
    """The text with its only `old` made `new`."""
    if text.count(old) != 1:
        sys.exit(f"relacy: {path} holds this text {text.count(old)} times, not once:\n{old}\n"
                 "The source has changed: bring tests/relacy/mutations.py up to date.")
    return text.replace(old, new)


def write_copies(top, folder):
    """The sources with hooks for all mutations."""
    for path, copy in COPIES.items():
        with open(os.path.join(top, path), encoding="utf-8") as file:
            text = file.read()
        for where, old, new in mutations.EDITS:
            if where == path:
                text = replaced(text, path, old, new)
        target = os.path.join(folder, copy)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text)


class runner:
    def __init__(self, folder):
        self.folder = folder
        self.failures = 0

    def run(self, program, check, mutation, search, count):
        done = subprocess.run([os.path.join(self.folder, program), check, str(mutation), search,
                               str(count)], capture_output=True, text=True, timeout=80,
                              errors="replace", check=False)
        lines = [line for line in done.stdout.split("\n") if line.startswith(f"{check}: ")]
        said = lines[-1] if lines else f"{check}: no result, exit status {done.returncode}"
        return done.returncode, said, done.stdout + done.stderr

    def holds(self, program, check, search, count):
        code, said, output = self.run(program, check, 0, search, count)
        print(f"{'ok  ' if code == 0 else 'FAIL'} {said} ({search} {count})", flush=True)
        if code != 0:
            self.failures += 1
            print(output[-20_000:])

    def is_found(self, number, fault, checks):
        for check in checks:
            program = next(p for p, all_checks in PROGRAMS.items() if check in all_checks)
            for search, count in ("random", RANDOM_TO_FAIL), ("bound", PROGRAMS[program][check]):
                code, said, _ = self.run(program, check, number, search, count)
                # 1: a finding; anything else is the program's own failure and proves nothing.
                if code == 1 and "SUCCESS" not in said:
                    print(f"ok   found {number}, {fault}: {said}", flush=True)
                    return
        self.failures += 1
        print(f"FAIL not found {number}, {fault}, by {', '.join(checks)}", flush=True)


def main(top, folder, compiler):
    started = time.monotonic()
    os.makedirs(folder, exist_ok=True)
    probe = subprocess.run(compiler + ["-E", "-xc++", "-"], input="#include <relacy/relacy.hpp>",
                           capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        print("skipped: relacy is not installed (package relacy-dev)")
        return 77
    write_copies(top, folder)
    # relacy's own headers have warnings in them, and -O1 compiles fastest in all.
    flags = ["-std=c++23", "-O1", "-w", '-DGREENROOM_SYNC_HEADER="relacy_sync.hpp"', f"-I{folder}",
             f"-I{top}/tests/relacy", f"-I{top}/scheduler/include", f"-I{top}/mailbox/include"]
    for program in PROGRAMS:
        subprocess.run(compiler + flags + [f"{top}/tests/relacy/{program}.cpp", "-o",
                                           os.path.join(folder, program)], check=True)
    print(f"compiled in {time.monotonic() - started:.0f} s", flush=True)
    run = runner(folder)
    for program, checks in PROGRAMS.items():
        for check, switches in checks.items():
            run.holds(program, check, "random", RANDOM)
            run.holds(program, check, "bound", switches)
    for number, (fault, checks) in mutations.FAULTS.items():
        run.is_found(number, fault, checks)
    print(f"{run.failures} failures in {time.monotonic() - started:.0f} s")
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2]), sys.argv[3:]))
