#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs an example and compares what it prints with what it must print.

outputs.py sieve|pipeline PROGRAM
outputs.py crawler PROGRAM MILLISECONDS
outputs.py from_go PROGRAM GO IDIOMS.go
"""
import os
import random
import re
import subprocess
import sys
import tempfile

LOGGED = re.compile(r"\[\d{4}-.*\] \[\w+\] greenroom: ")  # on a slow machine, who held a worker
WORD = re.compile(r"[A-Za-z']+")


def output(*command, text="", env=None):
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, check=True,
                          env=env)
    return [line for line in done.stdout.splitlines() if not LOGGED.match(line)]


def expect(what, got, wanted):
    if got == wanted:
        return
    for number, (ours, theirs) in enumerate(zip(got + ["<end>"], wanted + ["<end>"]), 1):
        if ours != theirs:
            sys.exit(f"{what}: line {number} is {ours!r}, not {theirs!r}")


def sieve(program):
    primes = [n for n in range(2, 8000) if all(n % d for d in range(2, int(n ** 0.5) + 1))]
    expect("by default", output(program), [str(n) for n in primes[:100]])
    for count in 0, 1, 1000:
        expect(f"{count} primes", output(program, str(count)), [str(n) for n in primes[:count]])


def doubled_words(text):
    """What the pipeline prints, found in the plainest way; without the last line."""
    lines = text.splitlines()
    words = [(number, word) for number, line in enumerate(lines, 1) for word in WORD.findall(line)]
    doubles = [f"{number}: {word} {word}" for (_, before), (number, word) in zip(words, words[1:])
               if word == before]
    return doubles + [f"{len(lines)} lines, {len(words)} words"]


def pipeline(program):
    rand = random.Random(1)
    few = ["the", "a", "word", "don't", "two"]

    def text(lines):
        return "".join(" ".join(rand.choices(few, k=rand.randrange(12))) + ".\n"
                       for _ in range(lines))

    for what, given, slowness in (("nothing", "", "0"), ("no end of line", "one one\none", "0"),
                                  ("a long text", text(20_000), "0"),
                                  ("a slow last stage", text(300), "300")):
        *lines, last = output(program, slowness, text=given)
        expect(what, lines, doubled_words(given))
        most = re.fullmatch(r"at most (\d+) lines in flight, of 16", last)
        if not most or int(most[1]) > 16:
            sys.exit(f"{what}: {last}")


PAGES = """
200     /         3 links
200     /about    3 links
404     /gone     0 links
timeout /never    0 links
200     /news/1   2 links
200     /news/2   2 links
200     /news/3   2 links
200     /people   1 links
200     /shop     3 links
200     /shop/cup 2 links
200     /shop/tea 2 links
""".strip().splitlines()


def crawler(program, limit):
    for at_once in 1, 3:
        *lines, last = output(program, str(at_once), limit)
        expect(f"{at_once} at once", lines, PAGES)
        most = re.fullmatch(r"11 pages, at most (\d+) at a time", last)
        if not most or not 1 <= int(most[1]) <= at_once:
            sys.exit(f"{at_once} at once: {last}")


def from_go(program, go, source):
    with tempfile.TemporaryDirectory() as folder:
        env = {"GOCACHE": folder, "GOPATH": folder, "GOFLAGS": "-mod=mod"}
        wanted = output(go, "run", source, env={**os.environ, **env})
    if not wanted:
        sys.exit("the Go program printed nothing")
    expect("beside Go", output(program), wanted)


globals()[sys.argv[1]](*sys.argv[2:])
