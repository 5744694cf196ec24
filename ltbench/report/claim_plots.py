"""The picture of claimed gains: reported beside ours, by our default and by other readings."""

import textwrap
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

from matplotlib.figure import Figure

from ltbench.report.svg import INK, MUTED, PAPER, Plot, canvas, inline
from ltbench.report.verdict_rows import (
    MOST,
    ORDER,
    draw_pair,
    drawable,
    headers,
    left_out,
    numbers_told,
    values_beside,
    words_of,
    write_beside,
)
from ltbench.statistics.estimates import LEAST
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.write.ledger import row_name

_DEFAULT = "our default"  # a row's name where it is no other reading
_READING, _TITLE = 22, 50  # letters of a row's name and of a title's line


def claims(lines: Sequence[LedgerRow]) -> Plot | None:
    """Return a forest of the claimed gains and ours; None where none was run.

    The lines are claims, each followed by its other readings, and stay together; those of which one
    is decided come first.
    """
    groups: list[list[LedgerRow]] = []
    for line in lines:
        if not line.reading:
            groups.append([])
        if drawable(line):
            groups[-1].append(line)
    groups.sort(key=lambda group: min((ORDER[each.verdict.word] for each in group), default=0))
    every = [line for group in groups for line in group]
    shown = every[:MOST]
    if not shown:
        return None
    return Plot(
        "Claimed gains and ours",
        "A ring is the gain that a paper claims, the band around it the tolerance; a dot is ours "
        f"on the seeds that both methods have, with its 95 % interval from {LEAST} seeds on. "
        "Below a claim stands ours by the default reading of the paper, and by others that ran."
        f"{left_out(every, shown)}",
        inline(
            forest_of(shown), "verdict-claims",
            f"Claimed gains and ours: {numbers_told(shown, [row_name(line) for line in shown])}.",
        ),
        verdicts=words_of(shown),
    )  # fmt: skip


def forest_of(shown: Sequence[LedgerRow]) -> Figure:
    """Return each of at least one claim in its words, and a row for it and each other reading.

    A row has the claimed gain with its tolerance, and ours.
    """
    claims = [(words, list(lines)) for words, lines in groupby(shown, attrgetter("row"))]
    titles = {words: textwrap.wrap(words, _TITLE) for words, _ in claims}
    rows = len(shown) + sum(map(len, titles.values()))
    names = [
        textwrap.shorten(line.reading or _DEFAULT, _READING, placeholder="…").replace(",…", "…")
        for line in shown
    ]
    left = 14 + 6.4 * max(map(len, names))
    figure, axes = canvas(0.95 + 0.27 * rows, left=left, top=22, right=84)
    row, placed = 0, []
    for words, lines in claims:
        for text in titles[words]:
            box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}  # over the grid's lines
            write_beside(axes, -left, row, text, ha="left", color=INK, bbox=box)
            row += 1
        for line in lines:
            placed.append(row)
            draw_pair(axes, row, line, 0)
            axes.plot(
                line.reported, row, "o", markersize=5.5, markeredgecolor=MUTED,
                markerfacecolor=PAPER, zorder=1.9,
            )  # fmt: skip
            values_beside(axes, row, line, f"+z.{line.decimals}f")
            row += 1
    headers(axes)
    axes.set_yticks(placed, names)
    axes.set_ylim(row - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_xlabel("gain in points")
    return figure
