"""The first pictures of the page: reported beside reproduced, and the claimed gains."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ltbench.evaluation.scores import TITLES
from ltbench.report.svg import (
    FONT,
    INK,
    LINE,
    MUTED,
    PAPER,
    VERDICTS,
    Plot,
    canvas,
    inline,
    short,
)
from ltbench.statistics.estimates import LEAST
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.metrics import METRICS
from ltbench.tables.write.ledger import WORDS, row_name

MOST = 40  # rows of a picture
_TITLES = {**{str(name): str(name) for name in METRICS}, **{str(k): v for k, v in TITLES.items()}}
_Value = tuple[str | float | None, ...]
_OTHER = " A row that begins with “read as” is another reading of the claim above it."
_ORDER = {word: index for index, word in enumerate(WORDS)}


def cells(lines: Sequence[LedgerRow]) -> Plot | None:
    """Return each reproduced value's distance to the reported one; None where there is none.

    Rows stand below their data set. What several tables report of the same runs is one row where
    it agrees to a tenth and has the same verdict.
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
        f"tolerance. A bar is the 95 % interval, from {LEAST} seeds on.{_cut(distinct, shown)}",
        inline(
            drawing_of(sections), "verdict-cells",
            f"Reported and reproduced: {_numbers(ordered, labels)}.",
        ),
        verdicts=_words(shown),
    )  # fmt: skip


def claims(lines: Sequence[LedgerRow]) -> Plot | None:
    """Return a forest of the claimed gains and ours; None where none was run.

    The lines are claims, each followed by its other readings, and stay together; those of which one
    is decided come first.
    """
    groups: list[list[LedgerRow]] = []
    for line in lines:
        if not line.reading:
            groups.append([])
        if _drawable(line):
            groups[-1].append(line)
    groups.sort(key=lambda group: min((_ORDER[each.verdict.word] for each in group), default=0))
    every = [line for group in groups for line in group]
    shown = every[:MOST]
    if not shown:
        return None
    return Plot(
        "Claimed gains and ours",
        "A ring is the gain that a paper claims, the band around it the tolerance; a dot is ours "
        f"on the seeds that both methods have, with its 95 % interval from {LEAST} seeds on."
        f"{_OTHER * any(line.reading for line in shown)}{_cut(every, shown)}",
        inline(
            forest_of(shown), "verdict-claims",
            f"Claimed gains and ours: {_numbers(shown, [row_name(line) for line in shown])}.",
        ),
        verdicts=_words(shown),
    )  # fmt: skip


def _shown(lines: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Return the lines that can be drawn, those that are judged first."""
    drawn = filter(_drawable, lines)
    return sorted(drawn, key=lambda line: _ORDER[line.verdict.word])[:MOST]


def _drawable(line: LedgerRow) -> bool:
    return line.difference is not None and line.tolerance is not None


def drawing_of(sections: dict[str, tuple[str, list[LedgerRow]]]) -> Figure:
    """Return rows of differences below the title and subtitle of each section."""
    lines = [line for _, members in sections.values() for line in members]
    twice = Counter(map(_runs, lines))
    names = {
        id(line): short(f"{line.row}, {_TITLES[line.metric]}")
        + f", table {line.table}" * (twice[_runs(line)] > 1)
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
            _beside(axes, -left, row, text, ha="left", color=colour, weight=weight, bbox=box)
            row += 1
        for line in members:
            placed.append((row, line))
            row += 1
    axes.set_yticks([row for row, _ in placed], [names[id(line)] for _, line in placed])
    axes.set_ylim(row - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=MUTED, linewidth=1)
    for right, header in ((40, "reported"), (78, "ours")):
        _beside(axes, right, -1, header, x=1, ha="right", color=MUTED)
    for row, line in placed:
        assert line.reproduced is not None
        _pair(axes, row, line, line.reported)
        for right, value in ((40, line.reported), (78, line.reproduced.mean)):
            _beside(axes, right, row, f"{value:.{line.decimals}f}", x=1, ha="right", color=INK)
    reach = 1.1 * max(map(abs, axes.get_xlim()))
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("difference in points")
    return figure


def forest_of(shown: Sequence[LedgerRow]) -> Figure:
    """Return a row for each of at least one claim: the claimed gain, its tolerance, and ours."""
    parents = {line.row for line in shown if not line.reading}
    below = [bool(line.reading) and line.row in parents for line in shown]
    names = [
        short(f"read as: {line.reading}" if inner else row_name(line))
        for line, inner in zip(shown, below, strict=True)
    ]
    figure, axes = canvas(0.75 + 0.27 * len(shown), left=14 + 6.4 * max(map(len, names)))
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_xlabel("gain in points")
    for row, line in enumerate(shown):
        _pair(axes, row, line, 0)
        axes.plot(
            line.reported, row, "o", markersize=5.5, markeredgecolor=MUTED, markerfacecolor=PAPER,
            zorder=1.9,
        )  # fmt: skip
    return figure


def _beside(axes: Axes, points: float, row: int, text: str, x: float = 0, **style: Any) -> None:
    """Write a text beside the axes, so many points right of their edge `x` (0 left, 1 right)."""
    axes.annotate(
        text, (x, row), (points, 0), xycoords=axes.get_yaxis_transform(), va="center",
        textcoords="offset points", fontsize=FONT, annotation_clip=False, **style,
    )  # fmt: skip


def _pair(axes: Axes, row: int, line: LedgerRow, origin: float) -> None:
    """Draw the tolerance around a reported value, and our mean and interval, from an origin on."""
    ours, tolerance = line.reproduced, line.tolerance
    assert ours is not None
    assert tolerance is not None
    colour = VERDICTS[line.verdict.word]
    reported, mean = line.reported - origin, ours.mean - origin
    corner = (reported - tolerance, row - 0.32)
    axes.add_patch(Rectangle(corner, 2 * tolerance, 0.64, color=LINE, linewidth=0))
    if ours.half_width is not None:
        low, high = ours.ends(0 if line.kind == "cell" else -100, 100)
        axes.plot(
            (low - origin, high - origin), [row, row], color=colour, linewidth=2.4,
            solid_capstyle="round",
        )  # fmt: skip
    axes.plot(mean, row, "o", markersize=5.5, color=colour)


def _runs(line: LedgerRow) -> tuple[str | None, ...]:
    """Return what two lines have in common that are of one measured value."""
    return line.dataset, line.network, line.specification, line.metric


def _value(line: LedgerRow) -> _Value:
    """Return what two lines have in common that are one row of the picture."""
    runs = line.specification, line.dataset, line.network, line.protocol, str(line.select)
    return *runs, line.metric, round(line.reported, 1), line.verdict.word


def _tables_of(lines: Sequence[LedgerRow]) -> dict[_Value, list[LedgerRow]]:
    """Return the lines that can be drawn, those of one value together."""
    found: dict[_Value, list[LedgerRow]] = {}
    for line in filter(_drawable, lines):
        found.setdefault(_value(line), []).append(line)
    return found


def _words(shown: Sequence[LedgerRow]) -> tuple[str, ...]:
    present = {line.verdict.word for line in shown}
    return tuple(word for word in WORDS if word in present)


def _numbers(shown: Sequence[LedgerRow], labels: Sequence[str]) -> str:
    return "; ".join(
        f"{label} {line.reported:g}, ours {line.reproduced}, {line.verdict.word}"
        for label, line in zip(labels, shown, strict=True)
    )


def _cut(lines: Sequence[LedgerRow], shown: Sequence[LedgerRow]) -> str:
    left = sum(map(_drawable, lines)) - len(shown)
    return f" {left} others are in the ledger." if left > 0 else ""
