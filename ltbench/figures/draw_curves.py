"""Curves of trainings as a matplotlib figure: a panel a quantity, a line a seed."""

from itertools import groupby
from operator import attrgetter

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.data.profile import SHOTS
from ltbench.evaluation.scores import TITLES
from ltbench.figures.curves import CurveChart, Line, Panel
from ltbench.figures.style import COLOURS, canvas, caveat, legend_below, tier

_WIDE = 100  # from this ratio of its ends on a positive quantity is drawn on a logarithmic scale
_BASE = 2.0  # points: the first method's lines stay visible below others that lie on them
_TITLES = {
    "loss": "training loss", "learning_rate": "learning rate",
    **{str(metric): f"{title}, %" for metric, title in TITLES.items()},
    **{group: f"{group}, %" for group in SHOTS},
}  # fmt: skip


def draw_curves(found: CurveChart) -> Figure:
    """Return the panels, two side by side, over the epochs; a line is broken between stages."""
    read, count = found.read, len(found.panels)
    seeds = {
        method: {seed for panel in found.panels.values() for seed in panel.get(method, ())}
        for method in found.methods
    }
    colours = {each: COLOURS[place] for place, each in enumerate(found.methods) if seeds[each]}
    lines = ", ".join(f"{method} (n = {len(seeds[method])})" for method in colours)
    caption = f"A line is one seed: {lines}."
    caption += " A method that does not log a quantity is not in its panel."
    under = f"{read.cell.dataset}, {read.cell.network}, {tier(read.cell.protocol, read.exact)}"
    if any(_is_wide(panel) and _zeros(panel) for panel in found.panels.values()):
        caption += " A line that is 0 throughout is not drawn on a logarithmic scale."
    columns = min(count, 2)
    rows = -(-count // columns)
    caption += caveat(read.exact)
    figure = canvas(3.4 * columns, 2.1 * rows, read.figure.title, under, caption)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    titles = _TITLES | found.titles
    for (quantity, panel), ax in zip(found.panels.items(), axes, strict=False):
        ax.set_title(titles.get(quantity, quantity), parse_math=False)
        if _is_wide(panel):
            ax.set_yscale("log", nonpositive="mask")
        for method, own in panel.items():
            width = _BASE if method == found.methods[0] else 0.8
            for line in own.values():
                _draw(ax, line, colours[method], width)
    for ax in axes[count:]:
        ax.set_visible(False)
    for ax in axes[max(count - columns, 0) : count]:
        ax.set_xlabel("epoch")
        ax.tick_params(labelbottom=True)
    handles = [Line2D([], [], color=colour, label=method) for method, colour in colours.items()]
    legend_below(figure, handles, 3)
    return figure


def _is_wide(panel: Panel) -> bool:
    """Return whether a panel's values ask for a logarithmic scale; one of zeros alone does not."""
    lines = [line for own in panel.values() for line in own.values()]
    values = [point.value for line in lines if any(p.value for p in line) for point in line]
    return bool(values) and min(values) > 0 and max(values) >= _WIDE * min(values)


def _zeros(panel: Panel) -> bool:
    """Return whether a line of a panel is 0 throughout."""
    return any(not any(p.value for p in line) for own in panel.values() for line in own.values())


def _draw(ax: Axes, line: Line, colour: str, width: float) -> None:
    for _, points in groupby(line, attrgetter("stage")):
        epochs, _, values = zip(*points, strict=True)
        dot = "o" if len(values) == 1 else None  # which a line would not show
        ax.plot(epochs, values, color=colour, linewidth=width, alpha=0.85, marker=dot, markersize=3)
