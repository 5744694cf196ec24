"""Figures with a line for each method of a setting, the most accurate on top."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.figures.style import COLOURS, MARKERS
from ltbench.report.settings import MethodRuns, Setting
from ltbench.report.svg import INK, Plot, canvas, inline, short
from ltbench.statistics.estimates import Estimate, mean_interval

MOST = 40  # methods
SHOTS = ("many", "medium", "few")


def seeds(setting: Setting) -> Plot:
    """Return every seed's accuracy, the mean and its interval."""
    groups = setting.groups[:MOST]
    figure, axes = _rows(groups)
    for row, group in enumerate(groups):
        _interval(axes, row, mean_interval(group.top1), COLOURS[0])
        axes.plot(
            group.top1, [row] * len(group.top1), "o", markersize=3, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=0.7, alpha=0.75,
        )  # fmt: skip
    axes.set_xlabel("top-1, percent")
    told = [
        f"{group.method} {setting.line(group).top1} (n = {len(group.records)})" for group in groups
    ]
    return Plot(
        "Seeds and intervals",
        f"A ring is a seed, a bar the mean, a line its 95 % t-interval.{_cut(setting)}",
        inline(figure, f"{setting.key}-seeds", f"Top-1 by method: {'; '.join(told)}."),
    )


def shots(setting: Setting) -> Plot:
    """Return the accuracies on classes with many, medium and few training images."""
    groups = setting.groups[:MOST]
    figure, axes = _rows(groups)
    told = []
    for row, group in enumerate(groups):
        means = []
        for place, name in enumerate(SHOTS):
            if (found := group.shot(name)) is not None:
                axes.plot(found.mean, row, MARKERS[place], color=COLOURS[place], alpha=0.9)
                means.append(f"{name} {found.mean:.1f}")
        told.append(f"{group.method} {', '.join(means)}")
    axes.set_xlabel("accuracy, percent")
    data = setting.base.records[0].data
    return Plot(
        "Accuracy by shot group",
        f"Means over seeds; many is more than {data.many_above} training images, few less than "
        f"{data.few_below}.{_cut(setting)}",
        inline(figure, f"{setting.key}-shots", f"Accuracy by shot group: {'; '.join(told)}."),
        tuple(name for name in SHOTS if any(group.shot(name) for group in groups)),
    )


def calibration(setting: Setting) -> Plot:
    """Return the expected calibration errors."""
    groups = setting.groups[:MOST]
    figure, axes = _rows(groups)
    for row, group in enumerate(groups):
        _interval(axes, row, group.calibration, COLOURS[1])
        axes.plot(group.calibration.mean, row, "o", color=COLOURS[1])
    axes.set_xlim(left=0)
    axes.set_xlabel("expected calibration error, percent")
    told = [f"{group.method} {group.calibration}" for group in groups]
    return Plot(
        "Calibration",
        "How far confidence and accuracy lie apart (15 bins of equal width); less is better. "
        f"Mean and 95 % t-interval; methods in the order of their accuracy.{_cut(setting)}",
        inline(figure, f"{setting.key}-ece", f"Calibration error by method: {'; '.join(told)}."),
    )


def _rows(groups: Sequence[MethodRuns]) -> tuple[Figure, Axes]:
    """Return axes with a line for each method, the first on top."""
    labels = [f"{place}  {short(group.method)}" for place, group in enumerate(groups, 1)]
    height = 0.7 + max(0.21, 0.3 - 0.02 * len(groups)) * len(groups)
    figure, axes = canvas(height, left=10 + 6.4 * max(map(len, labels)))
    axes.set_yticks(range(len(groups)), labels)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    return figure, axes


def _interval(axes: Axes, row: int, estimate: Estimate, colour: str) -> None:
    half = estimate.half_width
    if half is not None and estimate.n > 2:  # two seeds' interval is wider than any scale
        ends = max(estimate.mean - half, 0), min(estimate.mean + half, 100)
        axes.plot(ends, [row, row], color=colour, linewidth=1.6, solid_capstyle="round")
    axes.plot(estimate.mean, row, "|", color=colour, markersize=9, markeredgewidth=1.8)


def _cut(setting: Setting) -> str:
    left = len(setting.groups) - MOST
    return f" The {MOST} best; {left} others are in the table." if left > 0 else ""
