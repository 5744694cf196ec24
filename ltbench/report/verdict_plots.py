"""The first pictures of the page: reported beside reproduced, and the claimed gains."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ltbench.report.svg import LINE, MUTED, PAPER, VERDICTS, Plot, canvas, inline, short
from ltbench.statistics.estimates import LEAST
from ltbench.tables.ledger import LedgerRow
from ltbench.tables.write.ledger import WORDS

MOST = 40  # rows of a picture
_ORDER = {word: index for index, word in enumerate(WORDS)}


def cells(lines: Sequence[LedgerRow]) -> Plot | None:
    """Return a line from each reported value to ours; None where nothing is reproduced."""
    shown = _shown(lines)
    if not shown:
        return None
    labels = [f"{line.row}, {line.column}" for line in shown]
    # The last word of a column tells it from its neighbours; the ledger below has all of them.
    figure = drawing_of(shown, [f"{line.row}, {line.column.split()[-1]}" for line in shown])
    figure.axes[0].set_xlabel("percent")
    return Plot(
        "Reported and reproduced",
        "A ring is what a paper reports, the band around it the tolerance; a dot is our mean, with "
        f"its 95 % interval from {LEAST} seeds on.{_cut(lines, shown)}",
        inline(figure, "verdict-cells", f"Reported and reproduced: {_told(shown, labels)}."),
        verdicts=_words(shown),
    )


def claims(lines: Sequence[LedgerRow]) -> Plot | None:
    """Return a forest of the claimed gains and ours; None where none was run."""
    shown = _shown(lines)
    if not shown:
        return None
    labels = [line.row for line in shown]
    figure = drawing_of(shown, labels)
    figure.axes[0].axvline(0, color=MUTED, linewidth=1)
    figure.axes[0].set_xlabel("gain in points")
    return Plot(
        "Claimed gains and ours",
        "A ring is the gain that a paper claims, the band around it the tolerance; a dot is ours "
        f"on the seeds that both methods have, with its 95 % interval from {LEAST} seeds on."
        f"{_cut(lines, shown)}",
        inline(figure, "verdict-claims", f"Claimed gains and ours: {_told(shown, labels)}."),
        verdicts=_words(shown),
    )


def _shown(lines: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Return the lines that can be drawn, those that are judged first."""
    drawn = filter(_drawable, lines)
    return sorted(drawn, key=lambda line: _ORDER[line.verdict.word])[:MOST]


def _drawable(line: LedgerRow) -> bool:
    return line.difference is not None and line.tolerance is not None


def drawing_of(shown: Sequence[LedgerRow], labels: Sequence[str]) -> Figure:
    """Return a row for each of at least one line: what is reported, its tolerance, and ours."""
    names = [short(label) for label in labels]
    figure, axes = canvas(0.75 + 0.27 * len(shown), left=14 + 6.4 * max(map(len, names)))
    axes.set_yticks(range(len(shown)), names)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    for row, line in enumerate(shown):
        _pair(axes, row, line)
    return figure


def _pair(axes: Axes, row: int, line: LedgerRow) -> None:
    ours, tolerance = line.reproduced, line.tolerance
    assert ours is not None
    assert tolerance is not None
    colour = VERDICTS[line.verdict.word]
    corner = (line.reported - tolerance, row - 0.32)
    axes.add_patch(Rectangle(corner, 2 * tolerance, 0.64, color=LINE, linewidth=0))
    axes.plot([line.reported, ours.mean], [row, row], color=colour, linewidth=1, alpha=0.6)
    if ours.half_width is not None:
        limit = 0 if line.kind == "cell" else -100
        axes.plot(
            ours.ends(limit, 100), [row, row], color=colour, linewidth=2.4, solid_capstyle="round"
        )
    axes.plot(line.reported, row, "o", markersize=5.5, markeredgecolor=MUTED, markerfacecolor=PAPER)
    axes.plot(ours.mean, row, "o", markersize=5.5, color=colour)


def _words(shown: Sequence[LedgerRow]) -> tuple[str, ...]:
    said = {line.verdict.word for line in shown}
    return tuple(word for word in WORDS if word in said)


def _told(shown: Sequence[LedgerRow], labels: Sequence[str]) -> str:
    return "; ".join(
        f"{label} {line.reported:g}, ours {line.reproduced}, {line.verdict.word}"
        for label, line in zip(labels, shown, strict=True)
    )


def _cut(lines: Sequence[LedgerRow], shown: Sequence[LedgerRow]) -> str:
    left = sum(map(_drawable, lines)) - len(shown)
    return f" {left} others are in the ledger." if left > 0 else ""
