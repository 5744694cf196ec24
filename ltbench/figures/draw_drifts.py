"""Planes of three trainings, drawn: a row a method, its tail's loss beside that of all classes."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter

from ltbench.errors import counted
from ltbench.figures.analysed import framed
from ltbench.figures.draw_planes import between, draw_losses
from ltbench.figures.drifts import DriftPlanes, DriftsFigure
from ltbench.figures.planes import Epoch
from ltbench.figures.style import COLOURS, MARKERS, legend_below

_COLOURS = {"tail": COLOURS[5], "full": "white", "run": COLOURS[1]}
_DARK = "0.15"
_OUTLINE = [withStroke(linewidth=2.4, foreground=_DARK)]  # lines lie on light and dark losses


def draw_drifts(found: DriftsFigure) -> Figure:
    """Return where each method ends beside its base trained on everything and on the tail alone."""
    rows = len(found.planes)
    caption = (
        "Cross-entropy of the tail's classes and of all (means over classes) on the plane through "
        "the first weights (circle), the end of the base's training on the tail alone and the end "
        "of its training on everything, batch statistics made anew at every point; first seed. "
        "Kept epochs of all three trainings as they are projected; stars are ends. A method's end "
        "lies off the plane by the share of its way in brackets, so the loss at its star is not "
        "its own. Beside the name: its distance from the end of the tail's training over that of "
        "the base from there, and what that would be if it had gone as far as it did in the "
        "base's direction: only a ratio below that says that it went towards the tail."
    )
    figure = framed(found.found, 6.8, 2.5 * rows + 0.8, caption)
    axes = figure.subplots(rows, 2, squeeze=False)
    for (method, made), line in zip(found.planes.items(), axes, strict=True):
        for index, ax in enumerate(line):
            plane = made.planes[index]
            levels = between(plane.losses.min(), plane.losses.max())
            shown = draw_losses(ax, plane, levels)
            ways = {**{role: both[index] for role, both in made.beside.items()},
                    "run": plane.trajectory}  # fmt: skip
            for position, (role, epochs) in enumerate(ways.items()):
                _way(ax, epochs, _COLOURS[role], MARKERS[position])
            ax.set_xlabel("towards the end on the tail alone")
            bar = figure.colorbar(shown, ax=ax, aspect=25, label=f"cross-entropy, {plane.shots}")
            bar.set_ticks(levels[::4].tolist())
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        line[0].set_ylabel("across, towards the base's end")
        line[0].set_title(_title(method, made), loc="left", size=8)
    (first, *_) = found.planes.values()
    base = first.full if len({each.full for each in found.planes.values()}) == 1 else "its base"
    names = {"tail": f"{base}, on the tail alone", "full": f"{base}, on everything",
             "run": "the method of the row"}  # fmt: skip
    handles = [
        Line2D([], [], color=_COLOURS[role], marker=MARKERS[position], markersize=5, label=name,
               linewidth=1.4, markeredgecolor=_DARK, path_effects=_OUTLINE)
        for position, (role, name) in enumerate(names.items())
    ]  # fmt: skip
    legend_below(figure, handles, columns=3)
    return figure


def _title(method: str, made: DriftPlanes) -> str:
    ratio, by_length = (
        made.quantities[name] for name in ("distance_ratio", "distance_ratio_by_length")
    )
    off = 100 * made.planes[0].trajectory[-1].off_plane
    return (
        f"{method}: {ratio.text(2)}, by length {by_length.text(2)} "
        f"({counted(ratio.n, 'seed')}; seed {made.seed} is {off:.0f} % off the plane)"
    )


def _way(ax: Axes, epochs: tuple[Epoch, ...], colour: str, marker: str) -> None:
    x, y = [each.x for each in epochs], [each.y for each in epochs]
    ax.plot(x, y, color=colour, marker=marker, markersize=3.5, linewidth=1.4,
            markeredgecolor=_DARK, markeredgewidth=0.4, path_effects=_OUTLINE)  # fmt: skip
    ax.plot(x[0], y[0], color=_DARK, marker="o", markersize=6, fillstyle="none")
    ax.plot(x[-1], y[-1], color=colour, marker="*", markersize=11, markeredgecolor=_DARK)
