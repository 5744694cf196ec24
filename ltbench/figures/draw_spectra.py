"""Hessian spectra, drawn: densities above, their numbers below with the printed ones in grey."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ltbench.figures.analysed import framed
from ltbench.figures.spectra import SpectraFigure, SpectrumPanel
from ltbench.figures.style import COLOURS, GREY, MARKERS, legend_below, seeds_in_words

_FLOOR = 1e-7  # of the axis, as in PyHessian's pictures
_LINES = {
    "lambda_max": "largest\neigenvalue", "trace": "trace",
    "filter_trace": "filter-\nnormalised\ntrace",
}  # fmt: skip
_APART = 0.11  # of a line, between methods


def draw_spectra(found: SpectraFigure) -> Figure:
    """Return a panel a shot group: density over eigenvalues, then eigenvalue and traces."""
    seeds = seeds_in_words(len(each.seeds) for panel in found.panels for each in panel.spectra)
    numbers = [n for panel in found.panels for each in panel.spectra for n in each.numbers.values()]
    bars = ", bars: 95 % t-interval" if any(each.half_width for each in numbers) else ""
    caption = (
        f"Above: density of eigenvalues, each from {found.images} images of a class or group; mean "
        f"over the classes of a group and {seeds}, smoothed as in PyHessian, highest value between "
        f"neighbouring places. Below: mean over the same classes and {seeds}{bars}. Compare "
        "methods by the filter-normalised trace: rescaling weights before batch norm, which "
        "changes no prediction, moves the other two."
    )
    if any(panel.printed for panel in found.panels):
        caption += " Grey, hollow: printed, of one head and one tail class; the head's contradict "
        caption += "the printed densities."
    columns = len(found.panels)
    figure = framed(found.found, max(2.6 * columns, 4.6) + 0.6, 5.0, caption)
    axes = figure.subplots(2, columns, squeeze=False, sharex="row", sharey="row",
                           height_ratios=(1.25, 1))  # fmt: skip
    for panel, (above, below) in zip(found.panels, axes.T, strict=True):
        _density(above, panel)
        _numbers(below, panel)
    axes[0, 0].set_ylabel("density")
    legend_below(figure, _handles(found), 2)
    return figure


def _density(ax: Axes, panel: SpectrumPanel) -> None:
    named = f" ({', '.join(map(str, panel.classes))})" if len(panel.classes) <= 10 else ""
    ax.set_title(f"{panel.title}{named}")
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks([-100, -10, 0, 10, 100])
    ax.set_yscale("log")
    ax.set_ylim(_FLOOR, 1e3)
    ax.set_xlabel("eigenvalue")
    for index, each in enumerate(panel.spectra):
        ax.plot(each.at, each.density.clip(_FLOOR), color=COLOURS[index], linewidth=0.9, alpha=0.85)


def _numbers(ax: Axes, panel: SpectrumPanel) -> None:
    ax.set_xscale("symlog", linthresh=1)
    ax.axvline(0, color="0.7", linewidth=0.7)
    for line, name in enumerate(_LINES):
        for index, each in enumerate(panel.spectra):
            if name in each.numbers:
                number = each.numbers[name]
                ax.errorbar(
                    number.mean, line + _APART * (index - (len(panel.spectra) - 1) / 2),
                    xerr=number.half_width, color=COLOURS[index], marker=MARKERS[index],
                    markersize=4, capsize=2, linewidth=1,
                )  # fmt: skip
        for index, given in enumerate(panel.printed):
            value = {"lambda_max": given.lambda_max, "trace": given.trace}.get(name)
            if value is not None:
                ax.plot(value, line - 0.42, color=GREY, marker=MARKERS[index], markersize=4.5,
                        markerfacecolor="white", linestyle="none")  # fmt: skip
    ax.set_yticks(range(len(_LINES)), list(_LINES.values()))
    ax.set_ylim(len(_LINES) - 0.4, -0.6)


def _handles(found: SpectraFigure) -> list[Line2D]:
    """Return a legend's lines: our methods, then the printed ones, each once."""
    ours = list(dict.fromkeys(s.method for panel in found.panels for s in panel.spectra))
    given = list(dict.fromkeys(p.name for panel in found.panels for p in panel.printed))
    return [
        Line2D([], [], color=COLOURS[i], marker=MARKERS[i], markersize=4, label=method)
        for i, method in enumerate(ours)
    ] + [
        Line2D([], [], color=GREY, marker=MARKERS[i], markerfacecolor="white", markersize=4.5,
               linestyle="none", label=f"printed: {name}")
        for i, name in enumerate(given)
    ]  # fmt: skip
