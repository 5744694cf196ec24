"""Rows of the pictures of verdicts: what both kinds of picture draw and say."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ltbench.report.svg import FONT, INK, LINE, MUTED, VERDICTS
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.write.ledger import WORDS

MOST = 40  # rows of a picture
ORDER = {word: index for index, word in enumerate(WORDS)}


def drawable(line: LedgerRow) -> bool:
    """Return whether a row has ours, the reported value and a tolerance."""
    return line.difference is not None and line.tolerance is not None


def headers(axes: Axes) -> None:
    """Write what stands in the two columns on the right."""
    for right, header in ((40, "reported"), (78, "ours")):
        write_beside(axes, right, -1, header, x=1, ha="right", color=MUTED)


def values_beside(axes: Axes, row: int, line: LedgerRow, form: str) -> None:
    """Write a row's reported value and ours on the right."""
    assert line.reproduced is not None
    for right, value in ((40, line.reported), (78, line.reproduced.mean)):
        write_beside(axes, right, row, format(value, form), x=1, ha="right", color=INK)


def write_beside(
    axes: Axes, points: float, row: int, text: str, x: float = 0, **style: Any
) -> None:
    """Write a text beside the axes, so many points right of their edge `x` (0 left, 1 right)."""
    axes.annotate(
        text, (x, row), (points, 0), xycoords=axes.get_yaxis_transform(), va="center",
        textcoords="offset points", fontsize=FONT, annotation_clip=False, **style,
    )  # fmt: skip


def draw_pair(axes: Axes, row: int, line: LedgerRow, origin: float) -> None:
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


def words_of(shown: Sequence[LedgerRow]) -> tuple[str, ...]:
    """Return the verdicts that are drawn, in their order."""
    present = {line.verdict.word for line in shown}
    return tuple(word for word in WORDS if word in present)


def numbers_told(shown: Sequence[LedgerRow], labels: Sequence[str]) -> str:
    """Return what a picture shows, to who does not see it."""
    return "; ".join(
        f"{label} {line.reported:g}, ours {line.reproduced}, {line.verdict.word}"
        for label, line in zip(labels, shown, strict=True)
    )


def left_out(lines: Sequence[LedgerRow], shown: Sequence[LedgerRow]) -> str:
    """Return a caption's sentence, with a space before it, on rows that are not drawn."""
    left = sum(map(drawable, lines)) - len(shown)
    return f" {left} others are in the ledger." if left > 0 else ""
