# SPDX-License-Identifier: Apache-2.0
"""What is run: the rows of the table, and which programs can run them."""
from dataclasses import dataclass, field, replace

ALL = ("go", "erlang", "caf", "fiber")

# Which of the numbers of workers that are asked for a row takes; a tuple names its own.
EACH = "each"        # one line for each
LARGEST = "largest"  # memory, say, does not depend on it
ONE = "one"          # makes sense with one worker only


@dataclass(frozen=True)
class row:
    """One workload with its parameters; a line of the table for each number of workers."""
    workload: str
    label: str
    quick: dict           # the sizes for a smoke run; the programs' defaults are the real ones
    peers: tuple = ALL    # those that have it
    params: dict = field(default_factory=dict)  # of every program
    own: dict = field(default_factory=dict)     # further ones, by program
    extras: tuple = ()    # name=value pairs of the output that get a line of their own
    workers: object = EACH

    def arguments(self, program, workers, quick):
        """The k=v words for one program."""
        params = {"w": workers, **(self.quick if quick else {}), **self.params,
                  **self.own.get(program, {})}
        return [f"{key}={value}" for key, value in params.items()]

    def worker_counts(self, asked):
        if isinstance(self.workers, tuple):
            return list(self.workers)
        if self.workers == ONE:
            return [1]
        return [max(asked)] if self.workers == LARGEST else list(asked)


OBJECT = {"greenroom": {"form": "object"}}
FUNCTION = {"greenroom": {"form": "function"}}

ROWS = [
    row("yield", "two green threads that yield", {"n": 10_000}, ("go", "erlang", "fiber"),
        workers=ONE),
    row("pingpong", "ping-pong", {"n": 10_000}),
    row("pingpong", "ping-pong of objects", {"n": 10_000}, ("caf",), own=OBJECT),
    row("ring", "ring of 1,000", {"n": 10_000, "actors": 100}),
    row("spawn", "spawn, a message from each", {"n": 10_000}, ("go", "fiber")),
    row("spawn", "spawn with mailboxes", {"n": 10_000}, ("erlang", "caf"),
        own=FUNCTION),
    row("skynet", "tree with 1,000,000 leaves", {"n": 10_000}),
    row("fanin", "eight senders, bounded mailbox", {"n": 10_000}, ("go", "fiber")),
    row("fanin", "eight senders, unbounded mailbox", {"n": 10_000}, ("erlang", "caf"),
        params={"chan": 0}),
    row("bigfan", "1,000 ping each other", {"n": 100, "actors": 100}),
    row("ask", "bank transfers, an ask in an ask", {"n": 10_000, "accounts": 100}),
    row("idle", "memory of a resting actor", {"n": 10_000}, ("go", "erlang", "fiber"),
        workers=LARGEST),
    row("idle", "memory of a resting object", {"n": 10_000}, ("erlang", "caf"),
        own={**OBJECT, "erlang": {"hibernate": 1}}, workers=LARGEST),
    row("hog", "ping-pong beside spinners", {"ms": 100}, extras=("p99_us",)),
    row("hog", "a paced ping-pong beside spinners", {"ms": 100}, params={"pace_us": 1000},
        extras=("p99_us",)),
    row("timers", "100,000 sleepers", {"actors": 1_000, "n": 10},
        extras=("wall_s", "p99_late_us")),
    *(row("chan", f"channel, capacity {cap}, {pairs} to {pairs}", {"n": 10_000}, ("go",),
          params={"cap": cap, "pairs": pairs})
      for pairs in (1, 8) for cap in (0, 1, 128)),
    *(row("select", f"select among {cases}", {"n": 10_000}, ("go",), params={"cases": cases})
      for cases in (2, 16, 128)),
    row("select", "select among 128, a set", {"n": 10_000}, ("go",), params={"cases": 128},
        own={"greenroom": {"form": "set"}}),
    row("restart", "a supervised child that fails", {"n": 1_000}, ("erlang",)),
    row("restart", "a supervised child that is killed", {"n": 1_000}, ("erlang",),
        params={"kill": 1}),
    row("monitor", "spawn, monitor, end, down", {"n": 1_000}, ("erlang",),
        extras=("plain_ns",)),
    row("sieve", "sieve of the first 2,000 primes", {"n": 100}, ("go",)),
]


def split_words(words):
    """[(workload, {key: value})]: a word with = belongs to the workload before it."""
    named = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            named.append((word, {}))
        elif named:
            named[-1][1][key] = value
        else:
            raise ValueError(f"`{word}` stands before any workload")
    return named


def chosen(words):
    """The rows that the words of the command line ask for, and whether that is the whole table."""
    if not words:
        return list(ROWS), True
    rows = []
    for workload, params in split_words(words):
        found = [r for r in ROWS if r.workload == workload]
        if not found:
            there = " ".join(dict.fromkeys(r.workload for r in ROWS))
            raise ValueError(f"there is no workload `{workload}`; there are: {there}")
        rows += [with_params(closest(found, params), params)] if params else found
    return rows, False


def closest(found, params):
    """Of a workload's rows the one that shares most of the parameters, else the first."""
    def shared(one):
        has = {**one.params, **one.own.get("greenroom", {})}
        return sum(str(has.get(key)) == value for key, value in params.items())
    return max(found, key=shared)


def with_params(base, params):
    """A row with parameters from the command line: `w` is for all, `form` for Greenroom alone."""
    params, own, workers = dict(params), dict(base.own), base.workers
    if "w" in params:
        workers = (int(params.pop("w")),)
    if "form" in params:
        own["greenroom"] = {"form": params.pop("form")}
    words = " ".join(f"{key}={value}" for key, value in params.items())
    return replace(base, label=f"{base.workload} {words}".strip(), own=own, workers=workers,
                   params={**base.params, **params})
