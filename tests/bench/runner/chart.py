# SPDX-License-Identifier: Apache-2.0
"""The ratios as a bar chart in SVG: one group a figure, one bar a peer, on a logarithmic axis.

The background is left open and all colours are of middle lightness, so that the chart can be read
on a light page and on a dark one.
"""
import math
from xml.sax.saxutils import escape

from runner.table import NAMES, number, programs_in

WIDTH, LEFT, RIGHT, TOP = 960, 370, 60, 92
BAR, GAP = 13, 11  # heights of a bar, and of the space between groups
INK, GRID = "#7b838c", "#7b838c"
COLOURS = {"go": "#2a9cbf", "erlang": "#c0546a", "caf": "#c08a2e", "fiber": "#7c79d2"}
FONT = "font-family='system-ui, sans-serif'"


def span(ratios):
    """The ends of the axis: the ratios and 1, and some room."""
    values = [1.0, *ratios]
    return min(values) / 1.3, max(values) * 1.3


def ticks(low, high):
    """1, 2 and 5 of each decade on a short axis, else 1 and 10."""
    steps = (1, 2, 5) if high / low < 300 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [s * 10.0 ** d for d in decades for s in steps if low <= s * 10.0 ** d <= high]


class axis:
    """From a ratio to its place."""

    def __init__(self, ratios):
        self.low, self.high = span(ratios)
        self.scale = (WIDTH - LEFT - RIGHT) / math.log(self.high / self.low)

    def x(self, ratio):
        return LEFT + math.log(ratio / self.low) * self.scale


def label(x, y, words, anchor="start", colour=INK, weight="normal", size=12):
    return (f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' fill='{colour}' "
            f"font-weight='{weight}' font-size='{size}' {FONT}>{escape(words)}</text>")


def bar(at, y, peer, ratio):
    """From the line of 1 to the ratio, and the ratio as a number at its end."""
    one, end = at.x(1.0), at.x(ratio)
    ahead = ratio >= 1
    return [f"<rect x='{min(one, end):.1f}' y='{y:.1f}' width='{abs(end - one):.1f}' "
            f"height='{BAR - 2}' fill='{COLOURS[peer]}'/>",
            label(end + (4 if ahead else -4), y + BAR - 3, f"{number(ratio)}×",
                  "start" if ahead else "end", size=10)]


def title_of(figure):
    many = "worker" if figure.workers == 1 else "workers"
    return f"{figure.label}, {figure.unit}, {figure.workers} {many}"


def lines_of(figure, peers):
    """What is drawn for a figure: (peer, ratio, remark) each. Without ours one remark is enough."""
    ours = figure.cells.get("greenroom")
    if ours is None or ours.median is None:
        return [(None, None, f"{NAMES['greenroom']}: {ours.remark if ours else 'not run'}")]
    return [(p, figure.ratio(p), f"{NAMES[p]}: {figure.cells[p].remark}")
            for p in peers if p in figure.cells]


def group(at, y, figure, drawn):
    """The bars of one figure; a peer without a value has its reason instead of a bar."""
    parts = [label(12, y + BAR * len(drawn) / 2 + 4, title_of(figure))]
    for i, (peer, ratio, remark) in enumerate(drawn):
        top = y + i * BAR
        if ratio is not None:
            parts += bar(at, top, peer, ratio)
        else:
            parts.append(label(at.x(1.0) + 4, top + BAR - 3, remark,
                               colour=COLOURS.get(peer, INK), size=10))
    return parts


def legend(peers):
    parts, x = [], 12
    for peer in peers:
        parts.append(f"<rect x='{x}' y='46' width='12' height='12' fill='{COLOURS[peer]}'/>")
        parts.append(label(x + 17, 56, NAMES[peer]))
        x += 40 + 8 * len(NAMES[peer])
    return parts


def grid(at, bottom):
    parts = []
    for ratio in ticks(at.low, at.high):
        x = at.x(ratio)
        strong = ratio == 1
        parts.append(f"<line x1='{x:.1f}' y1='{TOP - 10}' x2='{x:.1f}' y2='{bottom:.1f}' "
                     f"stroke='{GRID}' stroke-opacity='{1 if strong else 0.25}' "
                     f"stroke-width='{1.5 if strong else 1}'/>")
        parts.append(label(x, TOP - 16, f"{ratio:g}×", "middle",
                           weight="bold" if strong else "normal"))
    return parts


def is_shown(figure):
    """Figures that a peer has too; of further metrics those that can be compared."""
    return len(figure.cells) > 1 and (figure.is_main() or figure.best() is not None)


def render(figures):
    """The whole chart as text."""
    shown = [f for f in figures if is_shown(f)]
    peers = [p for p in programs_in(figures) if p != "greenroom"]
    ratios = [f.ratio(p) for f in shown for p in f.cells if p != "greenroom"]
    at = axis([r for r in ratios if r is not None])
    parts, y = [], TOP
    for f in shown:
        drawn = lines_of(f, peers)
        parts += group(at, y, f, drawn)
        y += BAR * len(drawn) + GAP
    title = "How many times better than others: right of 1 Greenroom is ahead"
    head = [f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {y}' "
            f"width='{WIDTH}' height='{y}' role='img'>",
            f"<title>{escape(title)}</title>",
            label(12, 24, title, weight="bold", size=14), *legend(peers), *grid(at, y - GAP)]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"
