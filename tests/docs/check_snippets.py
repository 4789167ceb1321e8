#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Code in the documentation is cut from files that are compiled.

Usage: check_snippets.py TOP [--fix]

Every fenced cpp or go block of a Markdown file stands right under a line `<!-- file: PATH -->` or
`<!-- file: PATH#NAME -->` and equals that file (without its licence line), or its region between
the lines `// [NAME]` and `// [/NAME]`, common indentation taken off, tabs as four blanks. --fix
writes the text in.
"""
import os
import re
import sys
import textwrap

SKIPPED = {".git", ".ccache", "node_modules"}
MARK = re.compile(r"^<!-- file: ([^ #]+)(?:#([\w-]+))? -->$")
FENCE = re.compile(r"^```(\w*)\s*$")


def markdown_files(top):
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders if f not in SKIPPED
                            and not f.startswith("build"))
        yield from (os.path.join(folder, n) for n in sorted(names) if n.endswith(".md"))


def region(top, path, name):
    with open(os.path.join(top, path), encoding="utf-8") as file:
        lines = file.read().splitlines()
    if name is None:
        lines = [line for line in lines if not line.startswith("// SPDX")]
    else:
        marks = [line.strip() for line in lines]
        lines = lines[marks.index(f"// [{name}]") + 1:marks.index(f"// [/{name}]")]
        lines = [line for line in lines if not re.match(r"^\s*// \[/?[\w-]+\]$", line)]
    return textwrap.dedent("\n".join(lines)).strip("\n").expandtabs(4).splitlines()


def check(top, path, fix):
    """Returns the sentences that are wrong in one Markdown file, and how many blocks it has."""
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    wrong, out, blocks, at = [], [], 0, 0
    shown = os.path.relpath(path, top)
    while at < len(lines):
        fence = FENCE.match(lines[at])
        out.append(lines[at])
        at += 1
        if not fence:
            continue
        end = lines.index("```", at)
        block = lines[at:end]
        if fence[1] in ("cpp", "c++", "C++", "go"):
            blocks += 1
            mark = MARK.match(lines[at - 2]) if at >= 2 else None
            if not mark:
                wrong.append(f"{shown}:{at}: code without a `<!-- file: … -->` above it")
            else:
                try:
                    code = region(top, mark[1], mark[2])
                except (OSError, ValueError) as why:
                    wrong.append(f"{shown}:{at - 1}: {why}")
                    code = block
                if code != block and not fix:
                    wrong.append(f"{shown}:{at}: differs from {mark[1]} (--fix writes it in)")
                block = code
        out += block + ["```"]
        at = end + 1
    if fix and out != lines:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(out) + "\n")
    return wrong, blocks


def main(top, fix):
    wrong, blocks = [], 0
    for path in markdown_files(top):
        more, count = check(top, path, fix)
        wrong += more
        blocks += count
    print(*wrong, f"{blocks} blocks of code, {len(wrong)} wrong", sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--fix" in sys.argv[2:]))
