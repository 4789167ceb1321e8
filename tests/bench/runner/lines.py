# SPDX-License-Identifier: Apache-2.0
"""From the lines that the programs print to medians."""
import re
import statistics
from dataclasses import dataclass, field

# What a program says of a run whose figure means nothing.
STARVED = ("starved", "hogs_never_parallel")
# Units of which more is better; of all others less is.
RATE = re.compile(r"/s$")


@dataclass(frozen=True)
class result:
    """One run: a value, or a remark that says why there is none."""
    value: float | None = None
    unit: str = ""
    extras: dict = field(default_factory=dict)
    remark: str = ""


@dataclass(frozen=True)
class cell:
    """What several runs of one program come to."""
    median: float | None = None
    low: float | None = None
    high: float | None = None
    remark: str = ""


@dataclass(frozen=True)
class figure:
    """A line of the table: one metric of one row, a cell for each program that was run."""
    label: str
    workers: int
    unit: str
    cells: dict
    peak_mb: dict = field(default_factory=dict)

    def is_main(self):
        """The workload's own value, not a further metric: that one goes with the memory."""
        return bool(self.peak_mb)

    def ratio(self, peer, us="greenroom"):
        """How many times better we are than the peer; None where that cannot be said."""
        ours, theirs = (self.cells.get(name, cell()).median for name in (us, peer))
        if not ours or not theirs:
            return None
        return ours / theirs if RATE.search(self.unit) else theirs / ours

    def best(self):
        """The ratio to the best of the peers, or None."""
        ratios = [self.ratio(peer) for peer in self.cells if peer != "greenroom"]
        return min((r for r in ratios if r is not None), default=None)


def parse(program, workload, text):
    """The result in what a program printed: `program workload params value unit [name=value ...]`.

    Anything else that is there, too few words, or a value that is no number, is a failed run.
    """
    for line in text.splitlines():
        words = line.split()
        if words[:2] != [program, workload] or len(words) < 5:
            continue
        try:
            value = float(words[3])
            extras = {name: float(number) for name, number in
                      (word.split("=", 1) for word in words[5:])}
        except ValueError:
            continue
        if any(name in extras for name in STARVED):
            return result(unit=words[4], extras=extras, remark="starved")
        return result(value, words[4], extras)
    return result(remark="failed")


def summary(values):
    """The cell of one metric's values."""
    return cell(statistics.median(values), min(values), max(values))


def cell_of(results, metric=None):
    """The cell of some runs of one program; one run without a value speaks for all."""
    for each in results:
        if each.remark:
            return cell(remark=each.remark)
    values = [r.value if metric is None else r.extras.get(metric) for r in results]
    if not values or None in values:
        return cell(remark="failed")
    return summary(values)


def peak_of(results):
    peaks = [r.extras["peak_rss_mb"] for r in results if "peak_rss_mb" in r.extras]
    return summary(peaks) if peaks else cell()


def unit_of_metric(metric):
    """The last part of an extra's name is its unit: p99_us, wall_s."""
    name, unit = metric.rsplit("_", 1)
    return f"{unit}({name})"


def figures_of(row, workers, results):
    """The lines of the table for a row; `results` has the runs by program."""
    unit = next((r.unit for runs in results.values() for r in runs if r.unit), "")
    peaks = {program: peak_of(runs) for program, runs in results.items()}
    cells = {program: cell_of(runs) for program, runs in results.items()}
    lines = [figure(row.label, workers, unit, cells, peaks)]
    for metric in row.extras:
        cells = {program: cell_of(runs, metric) for program, runs in results.items()}
        lines.append(figure(row.label, workers, unit_of_metric(metric), cells))
    return lines
