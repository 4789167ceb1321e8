#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a machine can check. Usage: check.py TOP_OF_THE_TREE.

Prints one `file:line: sentence` for each breach, and fails if there is one.
"""
import os
import re
import sys

LINE_MAX = 100
FILE_MAX = 500
MODULES = ["scheduler", "mailbox", "core"]  # bottom first; an include may only go down

SKIPPED_FOLDERS = {".git", ".ccache", ".cache", "__pycache__", "node_modules", "packagecache"}
CODE = (".hpp", ".cpp", ".h", ".S")
PEERS = (".go", ".erl")  # of the benchmarks; Go is indented by tabs
SCRIPTS = (".py", ".sh", ".build", ".ini")
NAMED_SCRIPTS = {"dev", ".ci/run", "meson_options.txt"}

# One letter of each word stands in brackets, so that this file does not hold the words itself.
NOWHERE = re.compile(
    r"/wor[k]/|/far[m]/|deb\.[a-z]+\.or[g]|registry\.[a-z]+\.(or[g]|co[m])|developer sessio[n]"
    r"|\bCE[O]\b|COMPAS[S]|steering rep[o]|issue #?[0-9]+|\.\./share[d]")
# Notes to oneself, in capitals; in small letters the first three may be names.
UNFINISHED = re.compile(
    r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K]"
    r"|(?i:not implemente[d]|unimplemente[d]|stu[b]|placeholde[r]))\b")
UNSOUND_TEST = re.compile(
    r"this_thread::slee[p]|uslee[p]\(|should_fai[l]|may_fai[l]|(CHECK|REQUIRE)\(tru[e]\)")
HEAVY = {"memory", "functional", "thread", "mutex", "iostream", "regex"}
HEAVY_PREFIXES = ("spdlog/", "asio", "boost/", "concurrentqueue/")
# These two are for services that do I/O; <greenroom/greenroom.hpp> must not reach them.
MAY_BE_HEAVY = {"greenroom/spdlog.hpp": {"memory", "spdlog/spdlog.h"},
                "greenroom/net.hpp": {"memory"}, "greenroom/asio.hpp": {"memory", "asio.hpp"},
                "greenroom/pending.hpp": {"memory", "asio.hpp"}}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def tree(top):
    """All files of the project, relative to its top, sorted."""
    for folder, folders, names in os.walk(top):
        at_top = os.path.samefile(folder, top)
        folders[:] = sorted(f for f in folders if f not in SKIPPED_FOLDERS
                            and not (at_top and f.startswith("build")))
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), top)
            if not os.path.islink(os.path.join(top, path)):
                yield path


def is_text(path):
    return path.endswith(CODE + PEERS + (".md", ".txt", ".json")) or is_script(path)


def is_script(path):
    return path.endswith(SCRIPTS) or path in NAMED_SCRIPTS


class checker:
    def __init__(self, top):
        self.top = top
        self.paths = list(tree(top))
        self.breaches = []
        # Which module a public header belongs to.
        self.owner = {}
        for path in self.paths:
            parts = path.split("/")
            if len(parts) > 3 and parts[0] in MODULES and parts[1] == "include":
                self.owner["/".join(parts[2:])] = parts[0]

    def say(self, path, line, sentence):
        self.breaches.append(f"{path}:{line}: {sentence}")

    def run(self):
        for path in self.paths:
            if path == "LICENSE" or not is_text(path):
                continue
            with open(os.path.join(self.top, path), encoding="utf-8") as file:
                lines = file.read().split("\n")
            self.words(path, lines)
            if path.endswith(CODE + PEERS) or is_script(path):
                self.shape(path, lines)
            if path.endswith(CODE):
                self.includes(path, lines)
        self.reach()

    def words(self, path, lines):
        for number, line in enumerate(lines, 1):
            if found := NOWHERE.search(line):
                self.say(path, number, f"'{found[0]}' has no place here")
            if found := UNFINISHED.search(line):
                self.say(path, number, f"'{found[0]}': finish it, or word it otherwise")
            if path.startswith("tests/") and (found := UNSOUND_TEST.search(line)):
                self.say(path, number, f"'{found[0]}': a test never sleeps and is able to fail")

    def shape(self, path, lines):
        if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(lines[:2]):
            self.say(path, 1, "the first line names the licence: SPDX-License-Identifier")
        if len(lines) - 1 > FILE_MAX and not path.endswith(".build"):
            self.say(path, len(lines), f"more than {FILE_MAX} lines; is there a second idea in it?")
        for number, line in enumerate(lines, 1):
            if len(line) > LINE_MAX:
                self.say(path, number, f"{len(line)} columns; {LINE_MAX} are the limit")
            if line != line.rstrip():
                self.say(path, number, "blanks at the end of the line")
            if "\t" in line and not path.endswith(".go"):
                self.say(path, number, "a tab")

    def includes(self, path, lines):
        folder = os.path.dirname(path)
        module = path.split("/")[0] if path.split("/")[0] in MODULES else None
        public = "/include/" in path
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            kind, target = match.groups()
            if target.startswith("../") or "/../" in target:
                self.say(path, number, "an include that climbs out of its folder")
            if target in self.owner and kind == '"':
                self.say(path, number, f"public headers are included as <{target}>")
            if not module:
                continue
            if kind == '"' and (public or not os.path.exists(
                    os.path.join(self.top, folder, target))):
                self.say(path, number, f'"{target}" is no private header of {folder}/')
            if target in self.owner and (MODULES.index(self.owner[target]) >
                                         MODULES.index(module)):
                self.say(path, number, f"{module} must not know {self.owner[target]}'s {target}")
            if public:
                self.light(path, number, target)

    def light(self, path, number, target):
        allowed = MAY_BE_HEAVY.get(path.split("/include/")[1], set())
        heavy = target in HEAVY or target.startswith(HEAVY_PREFIXES)
        if heavy and not any(target == a or target.startswith(a.removesuffix(".hpp") + "/")
                             for a in allowed):
            self.say(path, number, f"<{target}> is too heavy for a public header")

    def reach(self):
        """<greenroom/greenroom.hpp> must not lead to the heavy headers, by any way."""
        start = "greenroom/greenroom.hpp"
        seen, ways = set(), [(start, start)]
        while ways:
            header, way = ways.pop()
            if header in seen or header not in self.owner:
                continue
            seen.add(header)
            if header in MAY_BE_HEAVY:
                self.say(way, 1, f"<{start}> reaches <{header}> by this way")
                continue
            path = os.path.join(self.top, self.owner[header], "include", header)
            with open(path, encoding="utf-8") as file:
                ways += [(m[2], f"{way} > {m[2]}") for m in map(INCLUDE.match, file) if m]


def main(top):
    check = checker(top)
    check.run()
    for breach in check.breaches:
        print(breach)
    print(f"{len(check.paths)} files, {len(check.breaches)} breaches of the house rules")
    return 1 if check.breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
