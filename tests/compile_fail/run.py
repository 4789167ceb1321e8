#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles the programs beside this file, each with one mistake, and reads what the compiler says.

Usage: run.py COMPILER INCLUDE_DIR...   (COMPILER may hold options, as in "g++ -DX")

A program says in its third line what is expected: `// expect: greenroom: SENTENCE`, and marks the
line of its mistake with `// <- error here`. The first error must hold the sentence and lead to that
line. `// expect: no error` is a control: without it, a test of the same group could pass because
nothing compiles at all.
"""
import os
import re
import shlex
import subprocess
import sys

MARK = "// <- error here"
CONTROL = "no error"
ERROR = re.compile(r"^[^\n]*: (?:fatal )?error: ", re.MULTILINE)
ERRORS_MAX = 1  # A mistake is said once; what would follow from it is not compiled.
SHOWN_MAX = 40  # Lines of the compiler's output that a failure prints.


def expectation(path):
    """The sentence, and the number of the marked line (None in a control)."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    found = re.fullmatch(r"// expect: (.+)", lines[2])
    if not found:
        sys.exit(f"{path}:3: no `// expect: ...` here")
    marked = [number for number, line in enumerate(lines, 1) if MARK in line]
    if len(marked) != (0 if found[1] == CONTROL else 1):
        sys.exit(f"{path}: {len(marked)} lines are marked with `{MARK}`")
    return found[1], marked[0] if marked else None


def first_error(output):
    """All that is said up to the second error, and how many errors there are."""
    errors = list(ERROR.finditer(output))
    return output[:errors[1].start()] if len(errors) > 1 else output, len(errors)


def complaint(path, result):
    """What is wrong with the compiler's answer, or None."""
    sentence, line = expectation(path)
    output = result.stdout + result.stderr
    if sentence == CONTROL:
        return None if result.returncode == 0 else "a control does not compile"
    if result.returncode == 0:
        return "compiles"
    said, count = first_error(output)
    if sentence not in said:
        where = "only a later error says" if sentence in output else "nowhere is said"
        return f"{where}: {sentence}"
    if not re.search(rf"{re.escape(os.path.basename(path))}:{line}:", said):
        return f"the first error does not lead to line {line}"
    if count > ERRORS_MAX:
        return f"{count} errors for one mistake"
    return None


def main(compiler, includes):
    folder = os.path.dirname(os.path.abspath(__file__))
    names = sorted(name for name in os.listdir(folder) if name.endswith(".cpp"))
    groups = {name.split("_")[0] for name in names if name.endswith("_control.cpp")}
    failed = 0
    for name in names:
        path = os.path.join(folder, name)
        command = [*shlex.split(compiler), "-std=c++23", "-fsyntax-only",
                   *(f"-I{include}" for include in includes), path]
        result = subprocess.run(command, text=True, capture_output=True, check=False,
                                env=dict(os.environ, LC_ALL="C"))
        wrong = complaint(path, result)
        if name.split("_")[0] not in groups:
            wrong = "its group has no control"
        failed += wrong is not None
        print(f"{'ok    ' if wrong is None else 'FAILED'} {name}{': ' + wrong if wrong else ''}")
        if wrong is not None:
            for text in (result.stdout + result.stderr).split("\n")[:SHOWN_MAX]:
                print("       |", text)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
