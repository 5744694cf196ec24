"""Curves of what analyses say, drawn: printed ones in grey, ours in colour with intervals."""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.figures.analysed import framed
from ltbench.figures.inside import CurvePanel, InsideFigure
from ltbench.figures.style import COLOURS, GREY, MARKERS, legend_below, seeds_in_words

_DASHES: tuple[Literal["-", "--", ":", "-."], ...] = ("-", "--", ":", "-.")


def draw_inside(found: InsideFigure) -> Figure:
    """Return the panels side by side, on one scale where they are of shot groups."""
    n = seeds_in_words(len(curve.seeds) for panel in found.panels for curve in panel.curves)
    every = [p for panel in found.panels for curve in panel.curves for _, p in curve.points]
    band = ", bars: 95 % t-interval" if any(each.half_width for each in every) else ""
    printed = any(panel.printed for panel in found.panels)
    caption = f"Ours: mean over {n}{band}. {found.quantity.note}"
    caption += _kinds(found.scale_free)
    caption += " Grey: read off the printed figure." if printed else ""
    columns = len(found.panels)
    figure = framed(found.found, max(2.6 * columns, 5.2), 2.9, caption)
    axes = figure.subplots(1, columns, squeeze=False, sharey=True)[0]
    for panel, ax in zip(found.panels, axes, strict=True):
        _panel(ax, panel, found)
    axes[0].set_ylabel(found.quantity.axes[1])
    legend_below(figure, _handles(found), 2)
    return figure


def _kinds(scale_free: dict[str, bool]) -> str:
    """Return a sentence on the kinds of classifier, which do not compare; nothing of no kind."""
    kinds = {"linear": False, "cosine, of any norm": True}
    each = [
        f"{kind} ({', '.join(members)})" for kind, free in kinds.items()
        if (members := [method for method, own in scale_free.items() if own == free])
    ]  # fmt: skip
    return f" Classifiers: {'; '.join(each)}." if each else ""


def _panel(ax: Axes, panel: CurvePanel, found: InsideFigure) -> None:
    ax.set_title(panel.title)
    ax.set_xlabel(found.quantity.axes[0])
    if found.quantity.log:
        ax.set_xscale("log")
    for (_, points), dash in zip(panel.printed, _DASHES, strict=False):
        ax.plot(*zip(*points, strict=True), color=GREY, linestyle=dash, linewidth=1)
    for index, curve in enumerate(panel.curves):
        x = [place for place, _ in curve.points]
        labels = x if found.quantity.by_shot else list(range(len(x)))
        half = [each.half_width or 0.0 for _, each in curve.points]
        ax.errorbar(
            labels, [each.mean for _, each in curve.points], half if any(half) else None,
            color=COLOURS[index], marker=MARKERS[index], markersize=4, linewidth=1.2, capsize=2,
        )  # fmt: skip
        if not found.quantity.by_shot and len(x) <= 20:
            ax.set_xticks(labels, [f"{place:g}" for place in x])


def _handles(found: InsideFigure) -> list[Line2D]:
    """Return a legend's lines: our methods, then the printed ones, each once."""
    ours = list(dict.fromkeys(c.method for panel in found.panels for c in panel.curves))
    handles = [
        Line2D([], [], color=COLOURS[i], marker=MARKERS[i], markersize=4, label=method)
        for i, method in enumerate(ours)
    ]
    seen: dict[str, Literal["-", "--", ":", "-."]] = {}
    for panel in found.panels:
        for (name, _), dash in zip(panel.printed, _DASHES, strict=False):
            seen.setdefault(name, dash)
    handles += [
        Line2D([], [], color=GREY, linestyle=dash, label=f"printed: {name}")
        for name, dash in seen.items()
    ]
    return handles
