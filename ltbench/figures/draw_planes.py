"""Planes of loss, drawn: a row a method, a column a shot group, which has one scale of loss."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ltbench.analysis.density import Array
from ltbench.figures.analysed import framed
from ltbench.figures.planes import GroupPlane, PlanesFigure
from ltbench.figures.style import COLOURS

_LEVELS, _LINES = 17, 14  # of the colours, which methods share; of the lines, a plane's own
_TRAJECTORY = COLOURS[1]


def draw_planes(found: PlanesFigure) -> Figure:
    """Return the losses around each training's trajectory, with its kept epochs on them."""
    shots = found.shots
    seeds = ", ".join(sorted({str(seed) for seed in found.seeds.values()}))
    caption = (
        "Cross-entropy of each shot group (mean over its classes) on the plane of the two "
        "principal components of the kept epochs, one plane a method, batch statistics made anew "
        f"at every point; seed {seeds}. Colours have one scale a column, white lines are a plane's "
        "own. The thick line joins the kept epochs as they are projected, the "
        "star is the last. They lie off the plane, so their own loss is another; in brackets, how "
        "much of the first epoch's distance to the last is off it, and what of the epochs' "
        "variance the axes explain, which is high for any walk."
    )
    rows, columns = len(found.planes), len(shots)
    figure = framed(found.found, 2.7 * columns + 1.3, 2.0 * rows + 0.8, caption)
    axes = figure.subplots(rows, columns, squeeze=False)
    scales = {shot: _levels(found, shot) for shot in shots}
    shown: dict[str, ContourSet] = {}
    for (method, made), line in zip(found.planes.items(), axes, strict=True):
        for ax, plane in zip(line, made, strict=True):
            shown[plane.shots] = _draw(ax, plane, scales[plane.shots])
        off, (along, across) = made[0].trajectory[0].off_plane, found.explained[method]
        line[0].set_title(
            f"{method}  ({100 * off:.0f} % off; explained: {100 * along:.0f} + "
            f"{100 * across:.0f} %)", loc="left", size=8,
        )  # fmt: skip
        line[0].set_ylabel("second component")
    for ax, shot in zip(axes[0], shots, strict=True):
        ax.annotate(
            shot, (0.5, 1), (0, 18), xycoords="axes fraction", textcoords="offset points",
            ha="center", size=9,
        )  # fmt: skip
    for ax, shot in zip(axes[-1], shots, strict=True):
        ax.set_xlabel("first component")
        bar = figure.colorbar(
            shown[shot], ax=list(axes[:, shots.index(shot)]), location="bottom", aspect=30,
            label=f"cross-entropy, {shot}",
        )  # fmt: skip
        bar.set_ticks(scales[shot][:: _LEVELS // 4].tolist())
        bar.ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    return figure


def _levels(found: PlanesFigure, shots: str) -> Array:
    """Return the levels of a group's losses, one scale for all methods."""
    every = [p.losses for made in found.planes.values() for p in made if p.shots == shots]
    low, high = min(map(np.min, every)), max(map(np.max, every))
    return between(low, high)


def between(low: float, high: float, count: int = _LEVELS) -> Array:
    """Return levels of losses, evenly spaced in their logarithms."""
    return np.geomspace(low, max(high, 1.01 * low), count)


def draw_losses(ax: Axes, plane: GroupPlane, levels: Array) -> ContourSet:
    """Draw a plane's losses: colours by levels, white lines by levels of its own."""
    norm = LogNorm(levels[0], levels[-1])
    ax.grid(visible=False)
    shown = ax.contourf(plane.xs, plane.ys, plane.losses, levels, norm=norm, cmap="cividis")
    own = between(plane.losses.min(), plane.losses.max(), _LINES)
    ax.contour(plane.xs, plane.ys, plane.losses, own, colors="white", linewidths=0.3)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    return shown


def _draw(ax: Axes, plane: GroupPlane, levels: Array) -> ContourSet:
    shown = draw_losses(ax, plane, levels)
    x, y = [each.x for each in plane.trajectory], [each.y for each in plane.trajectory]
    ax.plot(x, y, color=_TRAJECTORY, marker="o", markersize=3, linewidth=1.2)
    ax.plot(x[-1], y[-1], color=_TRAJECTORY, marker="*", markersize=9, markeredgecolor="white")
    return shown
