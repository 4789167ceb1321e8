#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the results of one `meson test` run.

Usage: report.py [--output] TESTLOG_JSON. Prints `passed failed skipped` and, on further lines, the
name of each test program that failed; with --output, the last lines that these printed instead. A
doctest program counts by its test cases, another program that ends with the line `N passed, N
failed` counts by that line, and any other program counts as one.
A program that fails without saying which case failed (a crash, a timeout) counts as one failure.
"""
import json
import re
import sys

DOCTEST = re.compile(r"^\[doctest\] test cases:\s*(\d+)\s*\|\s*(\d+) passed\s*\|\s*(\d+) failed",
                     re.MULTILINE)
SUMMARY = re.compile(r"^(\d+) passed, (\d+) failed$", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
OUTPUT_LINES = 60
PASSED = {"OK", "EXPECTEDFAIL"}


def count(test):
    """Returns (passed, failed, skipped) of one entry of the log."""
    if test["result"] == "SKIP":
        return 0, 0, 1
    text = COLOUR.sub("", test.get("stdout") or "")
    passed = failed = 0
    cases = [(int(m[2]), int(m[3])) for m in DOCTEST.finditer(text)]
    if not cases:
        cases = [(int(m[1]), int(m[2])) for m in SUMMARY.finditer(text)][-1:]
    for good, bad in cases:
        passed += good
        failed += bad
    if test["result"] in PASSED:
        # The exit status has the last word.
        return max(passed, 1), 0, 0
    return passed, max(failed, 1), 0


def output(path, tests):
    """Prints the end of what each failed test wrote."""
    for test in tests:
        if count(test)[1] == 0:
            continue
        text = (test.get("stdout") or "") + (test.get("stderr") or "")
        print(f"--- {path}: {test['name']} ({test['result'].lower()}, "
              f"status {test.get('returncode')}) ended with:")
        print(*COLOUR.sub("", text).splitlines()[-OUTPUT_LINES:], sep="\n")


def summary(tests):
    """Prints the counts and the names of the failed tests."""
    total = [0, 0, 0]
    bad = []
    for test in tests:
        result = count(test)
        total = [a + b for a, b in zip(total, result)]
        if result[1]:
            bad.append(f"{test['name']} ({test['result'].lower()})")
    print(*total)
    for name in bad:
        print(name)


def main(arguments):
    path = arguments[-1]
    with open(path, encoding="utf-8") as log:
        tests = [json.loads(line) for line in log]
    if "--output" in arguments:
        output(path, tests)
    else:
        summary(tests)


if __name__ == "__main__":
    main(sys.argv[1:])
