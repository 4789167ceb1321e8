#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program that must succeed and print one line, besides what the runtime logs.

Usage: prints.py LINE COMMAND..."""
import subprocess
import sys

done = subprocess.run(sys.argv[2:], capture_output=True, text=True, check=False)
print(done.stdout, done.stderr, sep="", end="")
said = [line for line in done.stdout.splitlines() if "] greenroom: " not in line]
if done.returncode != 0 or said != [sys.argv[1]]:
    sys.exit(f"status {done.returncode}; expected the line '{sys.argv[1]}'")
