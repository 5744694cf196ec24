"""The figures of a setting; each says in words what it shows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from ltbench.report.classes import by_count
from ltbench.report.curves import Curves
from ltbench.report.evidence import Group, Setting
from ltbench.report.svg import INK, LINE, MUTED, PAPER, SERIES, WIDTH, canvas, inline
from ltbench.tables.statistics import Estimate, mean_interval

ROWS = 40  # methods of a figure with a line for each
OVERLAID = len(SERIES)  # methods of a figure that lays them over each other
SHOTS = ("many", "medium", "few")
_MARKERS = "osD^vP"
_LABEL = 24  # characters; the table beside it has the whole name
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Plot:
    """A figure; `legend` has a colour's place and marker's name for each of its series."""

    title: str
    caption: str
    image: Markup
    legend: tuple[str, ...] = ()


def overlaid(setting: Setting) -> list[Group]:
    """Return the methods that figures lay over each other: the base and the best."""
    others = [group for group in setting.groups if group is not setting.base]
    return [setting.base, *others[: OVERLAID - 1]]


def seeds(setting: Setting) -> Plot:
    """Return every seed's accuracy, the mean and its interval."""
    groups = setting.groups[:ROWS]
    figure, axes = _rows(groups)
    for row, group in enumerate(groups):
        _interval(axes, row, mean_interval(group.top1), SERIES[0])
        axes.plot(
            group.top1, [row] * len(group.top1), "o", markersize=3, markerfacecolor="none",
            markeredgecolor=INK, markeredgewidth=0.7, alpha=0.75,
        )  # fmt: skip
    axes.set_xlabel("top-1, percent")
    told = [f"{group.method} {setting.line(group).top1} (n = {len(group.records)})" for group in groups]
    return Plot(
        "Seeds and intervals",
        f"A ring is a seed, a bar the mean, a line its 95 % t-interval.{_cut(setting)}",
        inline(figure, f"{setting.key}-seeds", f"Top-1 by method: {'; '.join(told)}."),
    )


def shots(setting: Setting) -> Plot:
    """Return the accuracies on classes with many, medium and few training images."""
    groups = setting.groups[:ROWS]
    figure, axes = _rows(groups)
    told = []
    for row, group in enumerate(groups):
        means = []
        for place, name in enumerate(SHOTS):
            if (found := group.shot(name)) is not None:
                axes.plot(found.mean, row, _MARKERS[place], color=SERIES[place], alpha=0.9)
                means.append(f"{name} {found.mean:.1f}")
        told.append(f"{group.method} {', '.join(means)}")
    axes.set_xlabel("accuracy, percent")
    data = setting.base.records[0].data
    return Plot(
        "Accuracy by shot group",
        f"Means over seeds; many is more than {data.many_above} training images, few less than "
        f"{data.few_below}.{_cut(setting)}",
        inline(figure, f"{setting.key}-shots", f"Accuracy by shot group: {'; '.join(told)}."),
        SHOTS,
    )


def calibration(setting: Setting) -> Plot:
    """Return the expected calibration errors."""
    groups = setting.groups[:ROWS]
    figure, axes = _rows(groups)
    for row, group in enumerate(groups):
        _interval(axes, row, group.calibration, SERIES[1])
        axes.plot(group.calibration.mean, row, "o", color=SERIES[1])
    axes.set_xlim(left=0)
    axes.set_xlabel("expected calibration error, percent")
    told = [f"{group.method} {group.calibration}" for group in groups]
    return Plot(
        "Calibration",
        "How far confidence and accuracy lie apart (15 bins of equal width); less is better. "
        f"Mean and 95 % t-interval; methods in the order of their accuracy.{_cut(setting)}",
        inline(figure, f"{setting.key}-ece", f"Calibration error by method: {'; '.join(told)}."),
    )


def classes(setting: Setting) -> Plot:
    """Return the accuracy of classes against the number of their training images."""
    figure, axes = canvas(2.9, left=30)
    told, bins = [], 0
    counts: list[float] = []
    for place, group in enumerate(overlaid(setting)):
        points = by_count(group)
        bins, counts = len(points), [count for count, _ in points]
        axes.plot(
            counts, [accuracy for _, accuracy in points], marker=_MARKERS[place],
            color=SERIES[place], alpha=0.9,
        )  # fmt: skip
        told.append(f"{group.method} from {points[0][1]:.0f} to {points[-1][1]:.0f}")
    axes.set_xscale("log")
    axes.invert_xaxis()
    _ticks(axes, "x", counts)
    axes.set_xlabel("training images of a class")
    axes.set_ylabel("accuracy, percent")
    _upright(axes)
    all_classes = len(setting.base.records[0].data.class_counts)
    each = "Each class" if bins == all_classes else f"{all_classes} classes in {bins} bins of neighbours"
    return Plot(
        "Accuracy against class count",
        f"{each}, means over seeds; the head is on the left.{_chosen(setting)}",
        inline(
            figure, f"{setting.key}-classes",
            f"Accuracy from the most to the least frequent classes, percent: {'; '.join(told)}.",
        ),
        tuple(group.method for group in overlaid(setting)),
    )  # fmt: skip


def training(setting: Setting, found: Sequence[Curves]) -> Plot | None:
    """Return training loss and test accuracy by epoch; None where there are no curves."""
    if not any(found):
        return None
    figure = Figure(figsize=(WIDTH, 3.9))
    upper, lower = figure.add_axes((0.11, 0.56, 0.86, 0.4)), figure.add_axes((0.11, 0.1, 0.86, 0.4))
    told = []
    for place, curve in enumerate(found):
        for axes, points in ((upper, curve.loss), (lower, curve.top1)):
            if points:
                axes.plot(*zip(*points, strict=True), color=SERIES[place], alpha=0.9)
        if curve.top1:
            told.append(f"{curve.method} ends at {curve.top1[-1][1]:.1f}")
    losses = [loss for curve in found for _, loss in curve.loss]
    if losses and min(losses) > 0:
        upper.set_yscale("log")
        _ticks(upper, "y", losses)
    upper.tick_params(labelbottom=False)
    upper.set_ylabel("training loss")
    lower.set_ylabel("test top-1, percent")
    lower.set_xlabel("epoch")
    upper.set_xlim(lower.get_xlim() if not losses else upper.get_xlim())
    lower.set_xlim(upper.get_xlim())
    for axes in (upper, lower):
        _upright(axes)
    return Plot(
        "Training curves",
        "Means over seeds. Losses of different methods are different quantities: compare their "
        f"course, not their height.{_chosen(setting)}",
        inline(figure, f"{setting.key}-curves", f"Test top-1 in training: {'; '.join(told)}."),
        tuple(curve.method for curve in found),
    )


def cost(setting: Setting) -> Plot | None:
    """Return accuracy against training time; None where there is nothing to compare."""
    points = [
        (value, setting.line(group).top1.mean, place, group.method)
        for place, group in enumerate(setting.groups, 1)
        if (value := setting.cost(group)) is not None
    ]
    if len(points) < 2:
        return None
    figure, axes = canvas(2.9, left=30)
    front = _front(points)
    axes.plot(
        [point[0] for point in front], [point[1] for point in front], color=LINE,
        drawstyle="steps-post", linewidth=2,
    )  # fmt: skip
    for chosen, colour in ((set(points) - set(front), MUTED), (set(front), SERIES[0])):
        for value, accuracy, place, _ in sorted(chosen):
            axes.plot(value, accuracy, "o", color=colour, markeredgecolor=PAPER, markersize=5)
            axes.annotate(
                str(place), (value, accuracy), (4, 2), textcoords="offset points", fontsize=7,
                color=INK if colour != MUTED else MUTED,
            )  # fmt: skip
    axes.set_xscale("log")
    _ticks(axes, "x", [point[0] for point in points])
    axes.set_xlabel(f"training time relative to {_short(setting.base.method)}")
    axes.set_ylabel("top-1, percent")
    _upright(axes)
    named = "; ".join(f"{place} {method} at {value:.2f}×" for value, _, place, method in front)
    return Plot(
        "Cost against accuracy",
        "Shortest training time on the same machine; numbers are places in the table above. No "
        f"other method is both faster and better than {named}.",
        inline(figure, f"{setting.key}-cost", f"Accuracy against training time; the front: {named}."),
    )


_Point = tuple[float, float, int, str]


def _front(points: Sequence[_Point]) -> list[_Point]:
    """Return the points of which none is both cheaper and more accurate, the cheapest first."""
    front: list[_Point] = []
    for point in sorted(points, key=lambda each: (each[0], -each[1])):
        if not front or point[1] > front[-1][1]:
            front.append(point)
    return front


def _rows(groups: Sequence[Group]) -> tuple[Figure, Axes]:
    """Return axes with a line for each method, the first on top."""
    labels = [f"{_short(group.method)}  {place}" for place, group in enumerate(groups, 1)]
    height = 0.6 + 0.18 * len(groups)
    figure, axes = canvas(height, left=8 + 4.7 * max(map(len, labels)))
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


def _ticks(axes: Axes, name: str, values: Sequence[float]) -> None:
    """Put ticks at 1, 2 and 5 of every decade within the values; of a narrow range at its ends."""
    low, high = min(values), max(values)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = [step * 10.0**decade for decade in decades for step in _STEPS]
    inside = [place for place in places if 0.9 * low <= place <= 1.1 * high]
    axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
    axis.set_major_locator(FixedLocator(inside if len(inside) > 1 else [low, high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))


def _upright(axes: Axes) -> None:
    axes.yaxis.label.set_size(8)
    axes.tick_params(axis="y", labelcolor=MUTED)


def _short(name: str) -> str:
    if len(name) <= _LABEL:
        return name
    return f"{name[: _LABEL - 10]}…{name[-9:]}"


def _cut(setting: Setting) -> str:
    left = len(setting.groups) - ROWS
    return f" The {ROWS} best; {left} others are in the table." if left > 0 else ""


def _chosen(setting: Setting) -> str:
    if len(setting.groups) <= OVERLAID:
        return ""
    return f" Shown are {setting.base.method} and the {OVERLAID - 1} best of the others."
