"""Accuracies by class as a matplotlib figure: the first method's, and what the others gain."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.data.profile import SHOTS
from ltbench.evaluation.selection import EPOCH
from ltbench.figures.classes import Bars, PerClass
from ltbench.figures.style import SHOT_COLOURS, canvas, error_bars, tier

_NUMBERED = 20  # classes at most that are numbered
_LEAST = 5.0  # points that an axis of gains reaches at least, or noise would fill it


def draw_classes(found: PerClass) -> Figure:
    """Return training images by class, and beneath them a panel for each method."""
    first, gained = found.cell.method, any(bars.gains for bars in found.bars)
    over = f" Others: gain over {first} on the seeds of both, in points." if gained else ""
    caption = (
        f"Test accuracy, {EPOCH[found.select]}: mean over n seeds, and 95 % t-interval where there "
        f"are three or more.{over} Numbers: mean over the classes of a shot group."
    )
    under = tier(found.cell.protocol, found.exact)
    under = f"{found.cell.dataset}, {found.cell.network}, {under}"
    panels = len(found.bars)
    figure = canvas(6.6, 0.9 + 1.1 * panels, found.figure.title, under, caption)
    ratios = [0.9] + [1.1] * panels
    axes = figure.subplots(panels + 1, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
    colours = [SHOT_COLOURS[group] for group in found.shots]
    positions = range(len(found.order))
    axes[0].bar(positions, found.counts, color=colours, width=0.8)
    axes[0].set_yscale("log")
    axes[0].grid(visible=False, axis="x")
    axes[0].set_ylabel("training\nimages")
    for bars, ax in zip(found.bars, axes[1:], strict=True):
        _bars(ax, bars, colours, found)
    if len(positions) <= _NUMBERED:
        axes[-1].set_xticks(positions, [str(label) for label in found.order])
        axes[-1].set_xlabel("class")
    else:
        axes[-1].set_xlabel("classes, most training images first")
    axes[-1].set_xlim(-0.8, len(positions) - 0.2)
    _above_groups(axes[0], {group: group for group in SHOTS}, found, 8)
    return figure


def _bars(ax: Axes, bars: Bars, colours: list[str], found: PerClass) -> None:
    """Draw a method's gains where it has any, else its accuracies."""
    positions, shown = range(len(bars.accuracy)), bars.gains or bars.accuracy
    lengths = error_bars(shown, -100 if bars.gains else 0)
    ax.bar(positions, [each.mean for each in shown], color=colours, width=0.8)
    if any(map(any, lengths)):
        ax.errorbar(
            positions, [each.mean for each in shown], lengths, fmt="none", ecolor="0.2",
            elinewidth=0.7, capsize=1.5 if len(positions) <= _NUMBERED else 0,
        )  # fmt: skip
    ax.grid(visible=False, axis="x")
    if bars.gains:
        ax.axhline(0, color="0.3", linewidth=0.8)
        largest = max(abs(end) for each in bars.gains for end in each.ends(-100, 100))
        most = max(1.15 * largest, _LEAST)  # of this method alone, or small gains would not show
        ax.set_ylim(-most, most)
        ax.set_ylabel("gain, points")
        signed = {group: f"{gain:+z.1f}" for group, gain in bars.group_gains.items()}
        numbers = {group: text.replace("-", "\u2212") for group, text in signed.items()}
        title = f"{bars.method} \u2212 {found.cell.method}  (n = {shown[0].n})"
    else:
        ax.set_ylim(0, 112)
        ax.set_yticks([0, 50, 100])
        ax.set_ylabel("accuracy, %")
        numbers = {group: f"{mean:.1f}" for group, mean in bars.groups.items()}
        title = f"{bars.method}  (n = {len(bars.seeds)})"
    ax.set_title(title, loc="left", size=8.5, pad=12)
    _above_groups(ax, numbers, found, 7.5)


def _above_groups(ax: Axes, texts: dict[str, str], found: PerClass, size: float) -> None:
    """Write a text above the classes of each shot group that there is."""
    for group, text in texts.items():
        members = [c for c, name in enumerate(found.shots) if name == group]
        if members:
            ax.annotate(
                text, ((members[0] + members[-1]) / 2, 1), (0, 1), ha="center", size=size,
                xycoords=("data", "axes fraction"), textcoords="offset points",
            )  # fmt: skip
