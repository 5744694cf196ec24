"""Curves of trainings as a matplotlib figure: a panel a quantity, a line a seed."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.evaluation.scores import TITLES
from ltbench.figures.curves import CurveChart
from ltbench.figures.style import COLOURS, canvas, caveat, legend_below, tier

_WIDE = 100  # from this ratio of its ends on a positive quantity is drawn on a logarithmic scale
_TITLES = {
    "loss": "training loss", "learning_rate": "learning rate",
    **{str(metric): f"{title}, %" for metric, title in TITLES.items()},
}  # fmt: skip


def draw_curves(found: CurveChart) -> Figure:
    """Return the panels, two side by side, over the epochs."""
    read, count = found.read, len(found.panels)
    counts = {method: len(records) for method, records in read.records.items()}
    seeds = ", ".join(f"{method} (n = {n})" for method, n in counts.items())
    caption = (
        f"A line is one seed: {seeds}. A method that does not log a quantity is not in its panel."
    )
    under = f"{read.cell.dataset}, {read.cell.network}, {tier(read.cell.protocol, read.exact)}"
    columns = min(count, 2)
    rows = -(-count // columns)
    caption += caveat(read.exact)
    figure = canvas(3.4 * columns, 2.1 * rows, read.figure.title, under, caption)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    colours = {each: COLOURS[place] for place, each in enumerate(found.methods) if each in counts}
    for (quantity, panel), ax in zip(found.panels.items(), axes, strict=False):
        ax.set_title(_TITLES.get(quantity, quantity))
        values = [value for own in panel.values() for line in own.values() for _, value in line]
        if min(values) > 0 and max(values) >= _WIDE * min(values):
            ax.set_yscale("log")
        for method, own in panel.items():
            for line in own.values():
                ax.plot(*zip(*line, strict=True), color=colours[method], linewidth=0.8, alpha=0.85)
    for ax in axes[count:]:
        ax.set_visible(False)
    for ax in axes[max(count - columns, 0) : count]:
        ax.set_xlabel("epoch")
        ax.tick_params(labelbottom=True)
    handles = [Line2D([], [], color=colour, label=method) for method, colour in colours.items()]
    legend_below(figure, handles, 3)
    return figure
