"""Figures with a line for each method of a setting, the most accurate on top."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.data.profile import SHOTS
from ltbench.figures.style import COLOURS, MARKERS
from ltbench.report.settings import Setting
from ltbench.report.svg import INK, Plot, canvas, inline, short
from ltbench.statistics.estimates import Estimate, mean_interval

MOST = 40  # methods


def seeds(setting: Setting) -> Plot:
    """Return every seed's accuracy, the mean and its interval."""
    methods = setting.methods[:MOST]
    figure, axes = _rows(setting)
    for row, runs in enumerate(methods):
        _interval(axes, row, mean_interval(runs.headlines), COLOURS[0])
        axes.plot(
            runs.headlines, [row] * len(runs.records), "o", markersize=3, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=0.7, alpha=0.75,
        )  # fmt: skip
    axes.set_xlabel(f"{setting.metric}, percent")
    values = [
        f"{runs.method} {setting.line(runs).headline} (n = {len(runs.records)})" for runs in methods
    ]
    return Plot(
        "Seeds and intervals",
        f"A ring is a seed, a bar the mean, a line its 95 % t-interval.{_cut(setting)}",
        inline(figure, f"{setting.key}-seeds", f"{setting.metric} by method: {'; '.join(values)}."),
    )


def shots(setting: Setting) -> Plot:
    """Return the accuracies on classes with many, medium and few training images."""
    methods = setting.methods[:MOST]
    figure, axes = _rows(setting)
    values = []
    for row, runs in enumerate(methods):
        means = []
        for index, name in enumerate(SHOTS):
            if (found := runs.shot(name)) is not None:
                axes.plot(found.mean, row, MARKERS[index], color=COLOURS[index], alpha=0.9)
                means.append(f"{name} {found.mean:.1f}")
        values.append(f"{runs.method} {', '.join(means)}")
    axes.set_xlabel("accuracy, percent")
    data = setting.base.records[0].data
    return Plot(
        "Accuracy by shot group",
        f"Means over seeds; many is more than {data.many_above} training images, few less than "
        f"{data.few_below}.{_cut(setting)}",
        inline(figure, f"{setting.key}-shots", f"Accuracy by shot group: {'; '.join(values)}."),
        tuple(name for name in SHOTS if any(runs.shot(name) for runs in methods)),
    )


def calibration(setting: Setting) -> Plot | None:
    """Return the expected calibration errors; None of images with several labels."""
    methods = setting.methods[:MOST]
    errors = [each for runs in methods if (each := runs.calibration) is not None]
    if not errors:
        return None
    figure, axes = _rows(setting)
    for row, error in enumerate(errors):
        _interval(axes, row, error, COLOURS[1])
        axes.plot(error.mean, row, "o", color=COLOURS[1])
    axes.set_xlim(left=0)
    axes.set_xlabel("expected calibration error, percent")
    values = [f"{runs.method} {error}" for runs, error in zip(methods, errors, strict=True)]
    return Plot(
        "Calibration",
        "How far confidence and accuracy lie apart (15 bins of equal width); less is better. "
        f"Mean and 95 % t-interval; methods in the order of their accuracy.{_cut(setting)}",
        inline(figure, f"{setting.key}-ece", f"Calibration error by method: {'; '.join(values)}."),
    )


def _rows(setting: Setting) -> tuple[Figure, Axes]:
    """Return axes with a line for each method, with its place, the first on top."""
    methods = setting.methods[:MOST]
    labels = [f"{setting.place(runs) or ''}  {short(runs.method)}" for runs in methods]
    height = 0.7 + max(0.21, 0.3 - 0.02 * len(methods)) * len(methods)
    figure, axes = canvas(height, left=10 + 6.4 * max(map(len, labels)))
    axes.set_yticks(range(len(methods)), labels)
    axes.set_ylim(len(methods) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    return figure, axes


def _interval(axes: Axes, row: int, estimate: Estimate, colour: str) -> None:
    if estimate.half_width is not None:
        axes.plot(
            estimate.ends(0, 100), [row, row], color=colour, linewidth=1.6, solid_capstyle="round"
        )
    axes.plot(estimate.mean, row, "|", color=colour, markersize=9, markeredgewidth=1.8)


def _cut(setting: Setting) -> str:
    left = len(setting.methods) - MOST
    return f" The {MOST} best; {left} others are in the table." if left > 0 else ""
