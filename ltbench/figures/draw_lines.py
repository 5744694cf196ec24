"""Lines over a number as matplotlib figures: reported values beside reproduced ones."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from ltbench.evaluation.selection import EPOCH
from ltbench.figures.line_chart import LineChart, LinePanel, Point, Series
from ltbench.figures.style import COLOURS, GREY, MARKERS, canvas, caveat, error_bars, spread, tier
from ltbench.statistics.estimates import LEAST, Estimate

_BESIDE = 3.5  # points, by which what is reproduced stands to the right of what is reported
_LABEL = 0.085  # of the height of the axes, which a line's label takes


def draw_lines(found: LineChart) -> Figure:
    """Return reported values in grey and hollow, and reproduced ones filled, with intervals.

    A band around the reported ones is the tolerance, where the protocol is the paper's own.
    """
    grid = found.grid
    paper = grid.table.definition.paper
    exact = all(each.exact for each in grid.columns)
    caption = f"Grey, hollow: reported{f' by {paper}' if paper else ''}"
    wide = {each.tolerance for panel in found.panels for each in panel.series} - {None}
    caption += "".join(f"; band: ± {each:g}, the tolerance" for each in sorted(filter(None, wide)))
    caption += ". "
    several = len(found.panels[0].series) > 1
    width = max((3.3 + 0.9 * several) * len(found.panels), 4.4)
    title, under = found.figure.title, tier(", ".join(grid.protocols), exact)
    figure = canvas(width, 2.7, title, under, caption + _caption(found, exact))
    axes = figure.subplots(1, len(found.panels), squeeze=False)[0]
    for panel, ax in zip(found.panels, axes, strict=True):
        _scale(ax, panel.ticks, found)
        ax.set_title(panel.title)
        for index, series in enumerate(panel.series):
            _series(ax, series, index)
        if several:
            _label_ends(ax, panel)
    several_labels = any(each.column.metric == "mAP" for each in found.grid.columns)
    axes[0].set_ylabel(f"{'mAP' if several_labels else 'top-1 accuracy'} in percent")
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
    details = f"{interval} over {n} seed{'s' * (most > 1)}, {epoch}"
    return f"Filled: reproduced, {details}.{caveat(exact)}"


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
    if wide := series.tolerance:
        lows, highs = [value - wide for value in y], [value + wide for value in y]
        ax.fill_between(x, lows, highs, color=GREY, alpha=0.12, linewidth=0)
    ax.plot(x, y, color=GREY, marker=marker, markersize=5.5, markerfacecolor="white", linewidth=0.8)
    beside = ax.transData + ScaledTranslation(_BESIDE / 72, 0, ax.figure.dpi_scale_trans)
    points = [point for point in series.points if point.entry.reproduced is not None]
    ax.errorbar(
        [point.x for point in points], [_estimate(point).mean for point in points],
        error_bars([_estimate(point) for point in points]), color=colour, marker=marker,
        markersize=4.5, linewidth=1.2, capsize=2.5, transform=beside,
    )  # fmt: skip
    for point in points:  # which a transform of its own keeps from the axes' limits
        ax.update_datalim([(point.x, end) for end in _estimate(point).ends(0, 100)])
    ax.autoscale_view()


def _label_ends(ax: Axes, panel: LinePanel) -> None:
    """Write each line's name beside its last point, moved apart where two would overlap."""
    ends: dict[int, tuple[float, float]] = {}
    for index, series in enumerate(panel.series):
        heights_at = ((point.x, _height(point)) for point in series.points)
        drawn = [(x, height) for x, height in heights_at if height is not None]
        if drawn:
            ends[index] = drawn[-1]
    low, high = ax.get_ylim()
    heights = spread([(y - low) / (high - low) for _, y in ends.values()], _LABEL)
    for (index, end), height in zip(ends.items(), heights, strict=True):
        ours = any(point.entry.reproduced for point in panel.series[index].points)
        ax.annotate(
            panel.series[index].label, end, (1.04, height), textcoords="axes fraction",
            va="center", size=8, color=COLOURS[index] if ours else "0.35",
            arrowprops={"arrowstyle": "-", "color": "0.75", "linewidth": 0.6, "shrinkB": 4},
        )  # fmt: skip


def _height(point: Point) -> float | None:
    """Return where a line passes: at what is reported, else at what is reproduced."""
    if point.entry.reported is not None:
        return point.entry.reported
    return None if point.entry.reproduced is None else point.entry.reproduced.mean


def _estimate(point: Point) -> Estimate:
    assert point.entry.reproduced is not None
    return point.entry.reproduced
