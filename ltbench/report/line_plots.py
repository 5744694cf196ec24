"""Figures that lay the methods of a setting over each other."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ltbench.figures.style import COLOURS, MARKERS
from ltbench.report.settings import MethodRuns, Setting
from ltbench.report.svg import (
    FONT,
    LINE,
    MUTED,
    PAPER,
    POINTS,
    WIDTH,
    Plot,
    canvas,
    inline,
    short,
)
from ltbench.report.training_curves import TrainingCurves, by_count

_STEPS = ((1, 2, 5), (1, 1.2, 1.5, 2, 3, 4, 5, 7))  # of a decade, the coarse ones first


def overlaid(setting: Setting) -> list[MethodRuns]:
    """Return the methods that figures lay over each other: the base and the best."""
    others = [runs for runs in setting.methods if runs is not setting.base]
    return [setting.base, *others[: len(COLOURS) - 1]]


def classes(setting: Setting) -> Plot:
    """Return the accuracy of classes against the number of their training images."""
    figure, axes = canvas(3.1, left=44)
    curves = {runs.method: by_count(runs) for runs in overlaid(setting)}
    for index, points in enumerate(curves.values()):
        axes.plot(
            *zip(*points, strict=True), marker=MARKERS[index], color=COLOURS[index], alpha=0.9
        )
    counts = [count for count, _ in curves[setting.base.method]]
    axes.set_xscale("log")
    axes.invert_xaxis()
    round_ticks(axes, "x", counts)
    axes.set_xlabel("training images of a class")
    axes.set_ylabel("accuracy, percent")
    _upright(axes)
    every = len(setting.base.records[0].data.class_counts)
    binned = f"{every} classes in {len(counts)} bins of neighbours"
    values = [
        f"{method} from {points[0][1]:.0f} to {points[-1][1]:.0f}"
        for method, points in curves.items()
    ]
    return Plot(
        "Accuracy against class count",
        f"{binned if len(counts) < every else 'Each class'}, means over seeds; the head is on the "
        f"left.{_which(setting)}",
        inline(
            figure, f"{setting.key}-classes",
            f"Accuracy from the most to the least frequent classes, percent: {'; '.join(values)}.",
        ),
        tuple(curves),
    )  # fmt: skip


def training(setting: Setting, found: Sequence[TrainingCurves]) -> Plot | None:
    """Return training loss and test accuracy by epoch; None where there are no curves."""
    if not any(found):
        return None
    figure = Figure(figsize=(WIDTH, 3.9))
    upper = figure.add_axes((0.15, 0.58, 0.82, 0.4))
    lower = figure.add_axes((0.15, 0.13, 0.82, 0.4), sharex=upper)
    values = []
    for index, curve in enumerate(found):
        for axes, points in ((upper, curve.loss), (lower, curve.score)):
            if points:
                marker = MARKERS[index] if len(points) == 1 else None  # a line of one is none
                x, y = zip(*points, strict=True)
                axes.plot(x, y, color=COLOURS[index], marker=marker, alpha=0.9)
        if curve.score:
            values.append(f"{curve.method} ends at {curve.score[-1][1]:.1f}")
    losses = [loss for curve in found for _, loss in curve.loss]
    if losses and min(losses) > 0:
        upper.set_yscale("log")
        round_ticks(upper, "y", losses)
    upper.tick_params(labelbottom=False)
    upper.set_ylabel("training loss")
    lower.set_ylabel(f"test {setting.metric}, percent")
    lower.set_xlabel("epoch")
    for axes in (upper, lower):
        _upright(axes)
    return Plot(
        "Training curves",
        "Means over seeds. Losses of different methods are different quantities: compare their "
        f"course, not their height.{_which(setting)}",
        inline(figure, f"{setting.key}-curves", f"{setting.metric} by epoch: {'; '.join(values)}."),
        tuple(curve.method for curve in found),
    )


def time(setting: Setting) -> Plot | None:
    """Return accuracy against training time; None where there is nothing to compare."""
    points = [
        (value, setting.line(runs).headline.mean, setting.place(runs), runs.method)
        for runs in setting.methods
        if (value := setting.time(runs)) is not None
    ]
    if len(points) < 2:
        return None
    figure, axes = canvas(3.1, left=44)
    front = _front(points)
    axes.plot(
        [point[0] for point in front], [point[1] for point in front], color=LINE,
        drawstyle="steps-post", linewidth=2,
    )  # fmt: skip
    axes.set_xscale("log")
    times = [point[0] for point in points]
    middle = math.sqrt(min(times) * max(times))
    axes.set_xlim(min(*times, middle / 1.5) / 1.15, max(*times, middle * 1.5) * 1.15)
    others = [point for point in points if point not in front]
    for members, colour in ((others, MUTED), (front, COLOURS[0])):
        for value, accuracy, *_ in members:
            axes.plot(value, accuracy, "o", color=colour, markeredgecolor=PAPER, markersize=5)
    round_ticks(axes, "x", axes.get_xlim())
    axes.set_xlabel(f"training time relative to {short(setting.base.method)}")
    axes.set_ylabel(f"{setting.metric}, percent")
    _upright(axes)
    _numbers(axes, [*front, *others])
    named = ", ".join(f"{method} ({value:.2f}x)" for value, *_, method in front)
    return Plot(
        "Training time against accuracy",
        "Shortest training on the clock, of one machine, where a second one took at most a fifth "
        "longer; numbers, where there is room, are places in the table above. Of these methods "
        f"none is both faster and better than {named}.",
        inline(
            figure, f"{setting.key}-time", f"Accuracy against training time; the front: {named}."
        ),
    )


_Point = tuple[float, float, int | None, str]


def _numbers(axes: Axes, points: Sequence[_Point]) -> None:
    """Write each point's place beside it unless another number is there already."""
    axes.autoscale_view()
    taken: list[tuple[float, float]] = []
    for value, accuracy, place, _ in points:
        if place is None:
            continue
        x, y = axes.transData.transform((value, accuracy)) * POINTS / axes.figure.dpi
        if all(abs(x - other) > 14 or abs(y - height) > 10 for other, height in taken):
            taken.append((x, y))
            axes.annotate(
                str(place), (value, accuracy), (4, 2), textcoords="offset points", fontsize=FONT,
                color=MUTED,
            )  # fmt: skip


def _front(points: Sequence[_Point]) -> list[_Point]:
    """Return the points of which none is both cheaper and more accurate, the cheapest first."""
    front: list[_Point] = []
    for point in sorted(points, key=lambda each: (each[0], -each[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def round_ticks(axes: Axes, name: str, values: Sequence[float]) -> None:
    """Put ticks at round values of a logarithmic axis, closer where it spans little."""
    low, high = min(values), max(values)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _STEPS:
        multiples = [step * 10.0**decade for decade in decades for step in steps]
        inside = [value for value in multiples if 0.9 * low <= value <= 1.1 * high]
        if len(inside) > 2:
            break
    else:
        inside = sorted({float(f"{each:.2g}") for each in (low, math.sqrt(low * high), high)})
    axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
    axis.set_major_locator(FixedLocator(inside))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _upright(axes: Axes) -> None:
    axes.tick_params(axis="y", labelcolor=MUTED)


def _which(setting: Setting) -> str:
    if len(setting.methods) <= len(COLOURS):
        return ""
    return f" Shown are {setting.base.method} and the {len(COLOURS) - 1} best of the others."
