# SPDX-License-Identifier: Apache-2.0
"""The figures as tables, for the terminal and for Markdown."""
NAMES = {"greenroom": "Greenroom", "go": "Go", "erlang": "Erlang", "caf": "CAF",
         "fiber": "Boost.Fiber"}
NONE = "–"  # the program has no such workload


def number(value):
    """Three digits that count, and commas between thousands."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def text_of(cell, ranges=True):
    """A cell: the median, and the range where runs differ."""
    if cell is None or (cell.median is None and not cell.remark):
        return NONE
    if cell.remark:
        return cell.remark
    median, low, high = (number(v) for v in (cell.median, cell.low, cell.high))
    return f"{median} ({low}–{high})" if ranges and low != high else median


def ratio_text(ratio):
    return NONE if ratio is None else f"{number(ratio)}×"


def programs_in(figures):
    """The programs that were run, Greenroom first."""
    seen = {program for f in figures for program in f.cells}
    return [program for program in NAMES if program in seen]


def values_table(figures):
    """Rows of words, the headings first: medians, and ratios to the best peer and to Go."""
    programs = programs_in(figures)
    rows = [["workload", "workers", "unit", *(NAMES[p] for p in programs), "vs best peer", "vs Go"]]
    for f in figures:
        rows.append([f.label, str(f.workers), f.unit,
                     *(text_of(f.cells.get(p)) for p in programs),
                     ratio_text(f.best()), ratio_text(f.ratio("go"))])
    return rows


def memory_table(figures):
    """The same for the peak of resident memory, of the lines that have it."""
    programs = programs_in(figures)
    rows = [["peak memory, MB", "workers", *(NAMES[p] for p in programs)]]
    for f in figures:
        if f.is_main():
            rows.append([f.label, str(f.workers),
                         *(text_of(f.peak_mb.get(p), ranges=False) for p in programs)])
    return rows


def plain(rows):
    """Columns under each other; words to the left, figures to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        words = [word.ljust(width) if i == 0 else word.rjust(width)
                 for i, (word, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(words).rstrip())
    return "\n".join(lines)


def markdown(rows):
    rule = ["---"] + ["---:"] * (len(rows[0]) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in [rows[0], rule, *rows[1:]])
