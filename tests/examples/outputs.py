#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs an example and compares what it prints with what it must print.

outputs.py sieve|pipeline PROGRAM
outputs.py crawler PROGRAM MILLISECONDS
outputs.py bank PROGRAM DAYS
outputs.py isolated PROGRAM
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


def bank(program, days):
    seed = os.environ.get("GREENROOM_SEED", str(random.randrange(1 << 32)))
    print(f"GREENROOM_SEED={seed}", flush=True)
    try:
        done, books = output(program, days, seed)
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed}\n{failed.stdout}")
    numbers = re.fullmatch(r"(\d+) transfers, (\d+) kills, (\d+) crashes, (\d+) restarts", done)
    if not numbers or "0" in numbers.groups():
        sys.exit(f"nothing was tried: {done}")
    print(done)
    expect("the books", [books], ["0 transfers do not balance; the accounts hold 20000 of 20000"])


def isolated(program):
    # A signal is to end the process as it does without a sanitizer, which limits no memory either.
    env = {name: os.environ.get(name, "") + ":handle_segv=0:handle_abort=0"
           for name in ("ASAN_OPTIONS", "TSAN_OPTIONS")}
    *lines, large, last = output(program, env={**os.environ, **env})
    expect("the pictures", lines, ["640x480: 307200 pixels",
                                   "640 by 480: decode ended: signal 11 (SIGSEGV)",
                                   "32x32: 1024 pixels"])
    expect("the last", [last], ["16x16: 256 pixels"])
    if large not in ("900000000x1: decode ended: signal 6 (SIGABRT)",
                     "900000000x1: 900000000 pixels"):
        sys.exit(f"the large picture: {large}")


def from_go(program, go, source):
    with tempfile.TemporaryDirectory() as folder:
        env = {"GOCACHE": folder, "GOPATH": folder, "GOFLAGS": "-mod=mod"}
        wanted = output(go, "run", source, env={**os.environ, **env})
    if not wanted:
        sys.exit("the Go program printed nothing")
    expect("beside Go", output(program), wanted)


globals()[sys.argv[1]](*sys.argv[2:])
