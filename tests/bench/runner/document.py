# SPDX-License-Identifier: Apache-2.0
"""Puts the figures into the page: between the two markers, and nowhere else."""
BEGIN, END = "<!-- table -->", "<!-- /table -->"
CHART = "performance.svg"


def between_markers(page, text):
    """The page with `text` between its markers, each of which must be there once."""
    if page.count(BEGIN) != 1 or page.count(END) != 1 or page.index(BEGIN) > page.index(END):
        raise ValueError(f"the page needs one {BEGIN} and after it one {END}")
    head, rest = page.split(BEGIN)
    return f"{head}{BEGIN}\n{text.strip()}\n{END}{rest.split(END)[1]}"


def section(machine, notes, values, memory):
    """What stands between the markers: how the figures came about, the chart, both tables."""
    lines = [f"- {line}" for line in [*machine, *notes]]
    return "\n".join([*lines, "", f"![ratios to the peers]({CHART})", "", values, "", memory])
