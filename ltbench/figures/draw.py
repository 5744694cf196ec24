"""Points and bars as matplotlib figures."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from ltbench.data.profile import SHOTS
from ltbench.figures.classes import Bars, PerClass
from ltbench.figures.line_chart import LineChart, Point, Series
from ltbench.figures.style import COLOURS, GREY, MARKERS, SHOT_COLOURS, canvas, caveat, tier
from ltbench.statistics.estimates import LEAST, Estimate
from ltbench.tables.grid import EPOCH

_BESIDE = 3.5  # points, by which what is reproduced stands to the right of what is reported


def draw_lines(found: LineChart) -> Figure:
    """Return reported values in grey and hollow, and reproduced ones filled, with intervals."""
    grid = found.grid
    paper = grid.table.definition.paper
    exact = all(each.exact for each in grid.columns)
    caption = f"Grey, hollow: reported{f' by {paper}' if paper else ''}. {_caption(found, exact)}"
    several = len(found.panels[0].series) > 1
    width = max(3.3 * len(found.panels), 4.4) + 1.4 * several
    title, under = found.figure.title, tier(", ".join(grid.protocols), exact)
    figure = canvas(width, 2.7, title, under, caption)
    axes = figure.subplots(1, len(found.panels), squeeze=False)[0]
    for panel, ax in zip(found.panels, axes, strict=True):
        _scale(ax, panel.ticks, found)
        ax.set_title(panel.title)
        for index, series in enumerate(panel.series):
            _series(ax, series, index)
    several_labels = any(each.column.metric == "mAP" for each in found.grid.columns)
    axes[0].set_ylabel(f"{'mAP' if several_labels else 'top-1 accuracy'} in percent")
    if several:
        handles = [_handle(found, index) for index in range(len(found.panels[0].series))]
        figure.legend(handles=handles, loc="outside right center")
    return figure


def _caption(found: LineChart, exact: bool) -> str:
    """Return a caption's sentence on seeds, protocol and epoch of the reproduced values, if any."""
    counts = [len(point.entry.seeds) for point in found.points if point.entry.seeds]
    if not counts:
        return "Nothing is reproduced under this protocol yet: reported values only."
    least, most = min(counts), max(counts)
    n = f"n = {most}" if least == most else f"n = {least} to {most}"
    epoch = EPOCH[found.grid.table.definition.select]
    interval = "mean and 95 % t-interval" if most >= LEAST else "mean"
    return (
        f"Filled: reproduced, {interval} over {n} seed{'s' * (most > 1)}, {epoch}.{caveat(exact)}"
    )


def _handle(found: LineChart, index: int) -> Line2D:
    """Return a legend's line: filled where anything of that series is reproduced."""
    series = [panel.series[index] for panel in found.panels]
    filled = any(point.entry.reproduced for each in series for point in each.points)
    colour = COLOURS[index] if filled else GREY
    return Line2D(
        [], [], color=colour, marker=MARKERS[index], markersize=5,
        markerfacecolor=colour if filled else "white", label=series[0].label,
    )  # fmt: skip


def _scale(ax: Axes, ticks: Sequence[float], found: LineChart) -> None:
    ax.set_xlabel(found.axis)
    if found.log:
        ax.set_xscale("log")
        ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.margins(x=0.08, y=0.12)


def _series(ax: Axes, series: Series, index: int) -> None:
    marker, colour = MARKERS[index], COLOURS[index]
    reported = [(p.x, p.entry.reported) for p in series.points if p.entry.reported is not None]
    x, y = zip(*reported, strict=True) if reported else ((), ())
    ax.plot(x, y, color=GREY, marker=marker, markersize=5.5, markerfacecolor="white", linewidth=0.8)
    beside = ax.transData + ScaledTranslation(_BESIDE / 72, 0, ax.figure.dpi_scale_trans)
    points = [point for point in series.points if point.entry.reproduced is not None]
    ax.errorbar(
        [point.x for point in points], [_estimate(point).mean for point in points],
        _bars_of([_estimate(point) for point in points]), color=colour, marker=marker,
        markersize=4.5, linewidth=1.2, capsize=2.5, transform=beside,
    )  # fmt: skip
    for point in points:  # which a transform of its own keeps from the axes' limits
        ax.update_datalim([(point.x, end) for end in _estimate(point).ends(0, 100)])
    ax.autoscale_view()


def _estimate(point: Point) -> Estimate:
    assert point.entry.reproduced is not None
    return point.entry.reproduced


def _bars_of(estimates: Sequence[Estimate]) -> tuple[list[float], list[float]]:
    """Return the lengths of the error bars below and above, kept within 0 and 100 percent."""
    ends = [each.ends(0, 100) for each in estimates]
    down = [each.mean - low for each, (low, _) in zip(estimates, ends, strict=True)]
    up = [high - each.mean for each, (_, high) in zip(estimates, ends, strict=True)]
    return down, up


def draw_classes(found: PerClass) -> Figure:
    """Return training images by class, and beneath them a panel of accuracies for each method."""
    caption = (
        f"Test accuracy, {EPOCH[found.select]}: mean over n seeds, and 95 % t-interval where there "
        "are three or more. Numbers: mean over the classes of a shot group."
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
    if len(positions) <= 20:
        axes[-1].set_xticks(positions, [str(label) for label in found.order])
        axes[-1].set_xlabel("class")
    else:
        axes[-1].set_xlabel("classes, most training images first")
    axes[-1].set_xlim(-0.8, len(positions) - 0.2)
    for group in SHOTS:
        members = [position for position in positions if found.shots[position] == group]
        if members:
            middle = (members[0] + members[-1]) / 2
            axes[0].annotate(
                group, (middle, 1), (0, 2), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="center", size=8,
            )  # fmt: skip
    return figure


def _bars(ax: Axes, bars: Bars, colours: list[str], found: PerClass) -> None:
    positions = range(len(bars.accuracy))
    halves = _bars_of(bars.accuracy)
    ax.bar(positions, [each.mean for each in bars.accuracy], color=colours, width=0.8)
    if any(map(any, halves)):
        ax.errorbar(
            positions, [each.mean for each in bars.accuracy], halves, fmt="none", ecolor="0.2",
            elinewidth=0.7, capsize=1.5 if len(positions) <= 20 else 0,
        )  # fmt: skip
    ax.grid(visible=False, axis="x")
    ax.set_ylim(0, 112)
    ax.set_yticks([0, 50, 100])
    ax.set_ylabel("accuracy, %")
    n = len(bars.seeds)
    ax.set_title(f"{bars.method}  (n = {n})", loc="left", size=8.5, pad=12)
    for group, mean in bars.groups.items():
        members = [position for position in positions if found.shots[position] == group]
        ax.annotate(
            f"{mean:.1f}", ((members[0] + members[-1]) / 2, 1), (0, 1),
            xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", size=7.5,
        )  # fmt: skip
