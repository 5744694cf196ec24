"""The picture of reported values: each beside ours, below its data set."""

import math
from collections import Counter
from collections.abc import Sequence

from matplotlib.figure import Figure

from ltbench.evaluation.scores import TITLES
from ltbench.report.svg import INK, MUTED, PAPER, VERDICTS, Plot, canvas, inline, short
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
from ltbench.tables.metrics import METRICS

_TITLES = {**{str(name): str(name) for name in METRICS}, **{str(k): v for k, v in TITLES.items()}}
_TOLERANCES = 3  # the largest of them, on either side
_Value = tuple[str | float | None, ...]


def cells(lines: Sequence[LedgerRow]) -> Plot | None:
    """Return each reproduced value's distance to the reported one; None where there is none.

    Rows stand below their data set. What several tables report of the same runs is one row where
    it agrees to a tenth, as does the interval, and has the same verdict.
    """
    tables_of = _tables_of(lines)
    distinct = [members[0] for members in tables_of.values()]
    shown = _shown(distinct)
    if not shown:
        return None
    groups: dict[tuple[str, str], list[LedgerRow]] = {}
    for line in shown:
        groups.setdefault((line.dataset, line.network), []).append(line)
    sections = {}
    for where, members in groups.items():
        tables = sorted({each.table for line in members for each in tables_of[_value(line)]})
        sections[", ".join(where)] = f"table{'s'[: len(tables) > 1]} {', '.join(tables)}", members
    ordered = [line for members in groups.values() for line in members]
    labels = [f"{line.row} {_TITLES[line.metric]} on {line.dataset}" for line in ordered]
    return Plot(
        "Reproduced minus reported",
        "A row is a value that a paper reports, in percent on the right beside ours. The dot is "
        "our mean minus it: on the line in the middle they are equal, in the grey band within the "
        f"tolerance; a triangle is farther off. A bar is the 95 % interval, from {LEAST} seeds on. "
        "Where tables judge the same runs apart, a name has the table's in brackets."
        f"{left_out(distinct, shown)}",
        inline(
            drawing_of(sections), "verdict-cells",
            f"Reported and reproduced: {numbers_told(ordered, labels)}.",
        ),
        verdicts=words_of(shown),
    )  # fmt: skip


def _shown(lines: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Return the lines that can be drawn, those that are judged first."""
    drawn = filter(drawable, lines)
    return sorted(drawn, key=lambda line: ORDER[line.verdict.word])[:MOST]


def drawing_of(sections: dict[str, tuple[str, list[LedgerRow]]]) -> Figure:
    """Return rows of differences below the title and subtitle of each section."""
    lines = [line for _, members in sections.values() for line in members]
    twice = Counter(map(_runs, lines))
    names = {
        id(line): short(f"{line.row}, {_TITLES[line.metric]}")
        + f" ({line.table})" * (twice[_runs(line)] > 1)
        for line in lines
    }
    rows = len(lines) + 2 * len(sections)
    left = 14 + 6.4 * max(map(len, names.values()))
    figure, axes = canvas(0.95 + 0.27 * rows, left=left, top=22, right=84)
    placed: list[tuple[int, LedgerRow]] = []
    row = 0
    for title, (subtitle, members) in sections.items():
        for text, colour, weight in ((title, INK, "bold"), (subtitle, MUTED, "normal")):
            box = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}  # over the grid's lines
            write_beside(axes, -left, row, text, ha="left", color=colour, weight=weight, bbox=box)
            row += 1
        for line in members:
            placed.append((row, line))
            row += 1
    axes.set_yticks([row for row, _ in placed], [names[id(line)] for _, line in placed])
    axes.set_ylim(row - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=MUTED, linewidth=1)
    headers(axes)
    for row, line in placed:
        draw_pair(axes, row, line, line.reported)
        values_beside(axes, row, line, f".{line.decimals}f")
    reach = min(1.1 * max(map(abs, axes.get_xlim())), _reach(lines))
    for row, line in placed:
        assert line.difference is not None
        if abs(line.difference) > reach:
            edge, marker = math.copysign(0.93 * reach, line.difference), "<>"[line.difference > 0]
            axes.plot(edge, row, marker, markersize=6, color=VERDICTS[line.verdict.word])
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("difference in points")
    return figure


def _reach(lines: Sequence[LedgerRow]) -> float:
    """Return how far from what is reported is drawn: a few tolerances, so that these are seen."""
    return _TOLERANCES * max(line.tolerance or 0.0 for line in lines)


def _runs(line: LedgerRow) -> tuple[str | None, ...]:
    """Return what two lines have in common that are of one measured value."""
    return line.dataset, line.network, line.specification, line.metric


def _value(line: LedgerRow) -> _Value:
    """Return what two lines have in common that are one row of the picture."""
    runs = line.specification, line.dataset, line.network, line.protocol, str(line.select)
    said = round(line.reported, 1), str(line.reproduced), line.verdict.word
    return *runs, line.metric, *said


def _tables_of(lines: Sequence[LedgerRow]) -> dict[_Value, list[LedgerRow]]:
    """Return the lines that can be drawn, those of one value together."""
    found: dict[_Value, list[LedgerRow]] = {}
    for line in filter(drawable, lines):
        found.setdefault(_value(line), []).append(line)
    return found
