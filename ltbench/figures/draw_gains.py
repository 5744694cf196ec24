"""Gains of parts on several bases, drawn as bars around zero."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ltbench.figures.gains import Gained, GainsFigure
from ltbench.figures.style import COLOURS, canvas, caveat, legend_below, seeds_in_words, tier


def draw_gains(found: GainsFigure) -> Figure:
    """Return a panel a column of the table: groups of bars, a group a base, a colour a part."""
    grid = found.grid
    parts = [each for panel in found.panels.values() for each in panel]
    every = [gain for each in parts for gain in each.gains.values()]
    seeds = seeds_in_words(gain.n for gain in every)
    band = " and 95 % t-interval" if any(gain.half_width for gain in every) else ""
    paper = grid.table.definition.paper
    printed = f" {paper} prints bars without values." if paper else ""
    exact = all(each.exact for each in grid.columns)
    caption = (
        f"Gain over the same base and seed, in points: mean{band} over {seeds}. A gap has "
        f"no bar: the two cannot be combined, or were not run.{printed}{caveat(exact)}"
    )
    sets = dict.fromkeys(str(each.column.data) for each in grid.columns)
    under = f"{', '.join(sets)}, {tier(', '.join(grid.protocols), exact)}"
    names = list(found.panels)
    figure = canvas(5.6, 1.35 * len(names) + 0.8, found.figure.title, under, caption)
    axes = figure.subplots(len(names), 1, squeeze=False, sharex=True)[:, 0]
    for ax, title in zip(axes, names, strict=True):
        _panel(ax, found.panels[title], found.bases)
        ax.set_title(title, loc="left", size=8.5)
        ax.set_ylabel("points")
    shown = found.panels[names[0]]
    handles = [Patch(color=COLOURS[i], label=each.part) for i, each in enumerate(shown)]
    legend_below(figure, handles, 2)
    return figure


def _panel(ax: Axes, parts: tuple[Gained, ...], bases: tuple[str, ...]) -> None:
    width = 0.8 / len(parts)
    for index, each in enumerate(parts):
        places = [bases.index(base) + width * (index - (len(parts) - 1) / 2) for base in each.gains]
        gains = list(each.gains.values())
        ax.bar(places, [gain.mean for gain in gains], width, color=COLOURS[index])
        if any(gain.half_width for gain in gains):
            ax.errorbar(
                places, [gain.mean for gain in gains], [gain.half_width or 0.0 for gain in gains],
                fmt="none", ecolor="0.25", elinewidth=0.8, capsize=2,
            )  # fmt: skip
    ax.axhline(0, color="0.3", linewidth=0.8)
    low, high = ax.get_ylim()
    ax.set_ylim(min(low, -1), max(high, 1))  # else no gain at all would look like one
    ax.grid(visible=False, axis="x")
    ax.set_xticks(range(len(bases)), [base.replace(" ", "\n") for base in bases])
    ax.set_xlim(-0.5, len(bases) - 0.5)
