#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs our benchmarks and those of the peers in turn, and makes tables and a chart of the medians.

`./dev bench` builds the release build and calls this. Without a workload all are run, which takes
about half an hour, and docs/performance.md and docs/performance.svg are written; a part of them,
other parameters, or --quick only print. Ratios say how many times better Greenroom is, be it in
time, memory or rate: above 1 it is ahead.
"""
import argparse
import os
import shutil
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from runner import chart, document, lines, machine, programs, rows, table  # noqa: E402

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DOCS = os.path.join(TOP, "docs")
PAGE = "performance.md"
RUNS, QUICK_RUNS = 5, 1


def options_of(words):
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORKLOAD [k=v…]",
                        help="what to run, with parameters other than the usual ones")
    parser.add_argument("--peers", default=",".join(programs.PEERS),
                        help="which of them, or none (%(default)s)")
    parser.add_argument("-n", "--runs", type=int, help=f"runs of each ({RUNS}; {QUICK_RUNS} quick)")
    parser.add_argument("--workers", default="1,2", help="numbers of workers (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--timeout", type=float, default=120, help="seconds a run (%(default)s)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--out", help="write into this folder, also what is only a part")
    parser.add_argument("--program", default=os.path.join(TOP, "build/tests/bench/greenroom-bench"),
                        help=argparse.SUPPRESS)
    parser.add_argument("--build", default=os.path.join(TOP, "build/peers"), help=argparse.SUPPRESS)
    options = parser.parse_intermixed_args(words)
    try:
        options.rows, options.whole = rows.chosen(options.words)
        options.workers = [int(w) for w in options.workers.split(",")]
        options.peers = [] if options.peers == "none" else options.peers.split(",")
    except ValueError as why:
        parser.error(str(why))
    for name in options.peers:
        if name not in programs.PEERS:
            parser.error(f"there is no peer `{name}`; there are: {' '.join(programs.PEERS)}, none")
    options.runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    return options


class progress:
    """One line on standard error for each run."""

    def __init__(self, total):
        self.total = total
        self.done = 0
        self.start = time.monotonic()

    def note(self, command, result):
        self.done += 1
        what = result.remark or f"{table.number(result.value)} {result.unit}"
        minutes = (time.monotonic() - self.start) / 60
        programs.say(f"{self.done}/{self.total}, {minutes:.1f} min: {command}: {what}")


def sides_of(row, sides):
    return [side for side in sides if side.name == "greenroom" or side.name in row.peers]


def measure(row, workers, sides, options, shown):
    """Runs a row: all sides in turn, as often as asked. Who fails once is not tried again."""
    results = {side.name: [] for side in sides}
    for _ in range(options.runs):
        for side in sides:
            arguments = row.arguments(side.name, workers, options.quick)
            done = results[side.name]
            if done and done[-1].remark in ("timeout", "failed"):
                shown.total -= 1
                continue
            done.append(programs.run(side, row.workload, arguments, options.timeout))
            shown.note(" ".join([side.name, row.workload, *arguments]), done[-1])
    return results


def measure_all(sides, options):
    """The figures of all rows."""
    work = [(row, w, sides_of(row, sides)) for row in options.rows
            for w in row.worker_counts(options.workers)]
    shown = progress(options.runs * sum(len(s) for _, _, s in work))
    figures = []
    for row, workers, here in work:
        results = measure(row, workers, here, options, shown)
        figures += lines.figures_of(row, workers, results)
    return figures


def write(folder, figures, described, notes):
    """The page and the chart, into docs/ or a folder that starts with a copy of its page."""
    os.makedirs(folder, exist_ok=True)
    page = os.path.join(folder, PAGE)
    if not os.path.exists(page):
        shutil.copyfile(os.path.join(DOCS, PAGE), page)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    section = document.section(described, notes, table.markdown(table.values_table(figures)),
                               table.markdown(table.memory_table(figures)))
    text = document.between_markers(text, section)
    with open(page, "w", encoding="utf-8") as file:
        file.write(text)
    with open(os.path.join(folder, document.CHART), "w", encoding="utf-8") as file:
        file.write(chart.render(figures))
    programs.say(f"wrote {PAGE} and {document.CHART} in {os.path.relpath(folder)}/")


def warn(options):
    if load := machine.is_busy():
        programs.say(f"the machine is busy (load {load:.1f}): take no figure for a measurement")
    if max(options.workers) > machine.cores():
        programs.say(f"more workers than cores ({machine.cores()})")


def main(words):
    options = options_of(words)
    warn(options)
    peers, notes = programs.built_peers(options.peers, options.build)
    sides = [programs.greenroom(os.path.abspath(options.program)), *peers]
    figures = measure_all(sides, options)
    described = [*machine.describe(), "Versions: " + ", ".join(s.version() for s in sides),
                 f"Runs: {options.runs} of each, in turn; median (least–most)"]
    if options.quick:
        described.append("Small sizes: these figures say that it runs, and no more")
    print(*described, *notes, "", table.plain(table.values_table(figures)), "",
          table.plain(table.memory_table(figures)), sep="\n")
    is_real = options.whole and not options.quick
    if options.out or (is_real and not options.no_write):
        write(options.out or DOCS, figures, described, notes)
    elif not is_real:
        programs.say("docs/ stays as it is: only a whole run writes there")
    ours_failed = [f.label for f in figures
                   if f.cells["greenroom"].remark in ("failed", "timeout")]
    for label in dict.fromkeys(ours_failed):
        programs.say(f"greenroom did not run: {label}")
    return 1 if ours_failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
