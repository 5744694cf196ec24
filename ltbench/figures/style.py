"""The style of every figure, the report's too, and their files: same records, same bytes."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from ltbench.errors import counted
from ltbench.runs.files import write_file
from ltbench.runs.protocol import PROXY
from ltbench.statistics.estimates import Estimate

GREY = "0.55"
# Okabe and Ito's, told apart by the colour-blind; in an order whose luminance differs in print.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
# Tol's: from dark to light, so that shot groups are told apart in print too.
SHOT_COLOURS = {"many": "#332288", "medium": "#44aa99", "few": "#ddcc77"}
MARKERS = ("o", "s", "^", "D", "v", "P")
_DOTS = 200  # an inch, of the PNG
_SMALL = 7.0  # points, of the caption
_LEGEND_LINE = 0.2  # inches

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same everywhere
    "font.size": 8.5,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text, which journals ask for
    "svg.hashsalt": "ltbench",
    "savefig.dpi": _DOTS,
}
# Without dates and versions, which would change the bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": "ltbench"},
    "svg": {"Date": None, "Creator": "ltbench"},
    "png": {"Software": None},
}


@contextmanager
def style(more: dict[Any, Any] | None = None) -> Iterator[None]:
    """Draw with ltbench's settings, and more on top; the user's own are left alone."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        mpl.rcParams.update(more or {})
        yield


def canvas(width: float, height: float, title: str, tier: str, caption: str) -> Figure:
    """Return a figure with a title, what protocol it is of, and a caption beneath.

    Width and height are in inches, those of the axes together; the texts add to the height.
    """
    above, below = _wrapped(title, width, 9.5, 0.68), _wrapped(caption, width, _SMALL, 0.54)
    top = 0.16 * (above.count("\n") + 1) + 0.24
    bottom = 0.135 * (below.count("\n") + 1) + 0.1
    total = height + top + bottom
    figure = Figure(figsize=(width, total), layout="constrained")
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, bottom / total, 1, height / total), w_pad=0.06, h_pad=0.04)  # type: ignore[call-arg]
    figure.text(0.5, 1 - 0.06 / total, above, ha="center", va="top", size=9.5, weight="bold")
    figure.text(0.5, (height + bottom + 0.04) / total, tier, ha="center", size=8, color="0.3")
    figure.text(0.01, 0.05 / total, below, va="bottom", size=_SMALL, color="0.3")
    return figure


def legend_below(figure: Figure, handles: Sequence[Artist], columns: int) -> None:
    """Put a legend between the axes of a canvas and its caption, and make room for it."""
    engine = figure.get_layout_engine()
    assert engine is not None
    left, bottom, width, height = engine.get()["rect"]
    inches = figure.get_figheight()
    taken = _LEGEND_LINE * -(-len(handles) // columns) / inches
    engine.set(rect=(left, bottom + taken, width, height - taken))  # type: ignore[call-arg]
    figure.legend(handles=handles, loc="lower center", ncols=columns,
                  bbox_to_anchor=(0.5, bottom), borderaxespad=0.2)  # fmt: skip


def save(figure: Figure, data: str, name: str, folder: Path) -> list[Path]:
    """Write a figure as PDF, SVG and PNG with its data beside it; return the files."""
    files = {suffix: folder / f"{name}.{suffix}" for suffix in (*_METADATA, "csv")}
    contents = {"csv": data.encode()}
    for suffix, metadata in _METADATA.items():
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix, metadata=metadata)
        contents[suffix] = buffer.getvalue()
    for suffix, path in files.items():  # only once all are drawn: they belong together
        write_file(path, lambda file, content=contents[suffix]: file.write(content))  # type: ignore[misc]
    return list(files.values())


def tier(protocol: str, exact: bool) -> str:
    """Return what a protocol's records are worth, in a few words."""
    return f"protocol {protocol}" if exact else f"proxy: protocol {protocol}"


def caveat(exact: bool) -> str:
    """Return a caption's sentence, with a space before it, on records of a proxy; else nothing."""
    return "" if exact else f" A proxy {PROXY}."


def _wrapped(text: str, width: float, size: float, letter: float) -> str:
    """Return text in lines of a width in inches; a letter's is relative to the size in points."""
    kept = text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")
    return textwrap.fill(kept, int(width * 72 / (size * letter)))


def error_bars(estimates: Sequence[Estimate], low: float = 0) -> tuple[list[float], list[float]]:
    """Return the lengths of the error bars below and above, kept within `low` and 100."""
    ends = [each.ends(low, 100) for each in estimates]
    down = [each.mean - end for each, (end, _) in zip(estimates, ends, strict=True)]
    up = [end - each.mean for each, (_, end) in zip(estimates, ends, strict=True)]
    return down, up


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """Return heights at least a gap apart, in the same order, moved as little as that takes.

    The least squares of the movements: heights less their rank times the gap, made not to fall,
    by pooling neighbours that do.
    """
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([heights[index] - rank * gap])
        while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    levels = [fmean(pool) for pool in pools for _ in pool]
    moved = {index: levels[rank] + rank * gap for rank, index in enumerate(order)}
    return [moved[index] for index in range(len(heights))]


def seeds_in_words(counts: Iterable[int]) -> str:
    """Return how many seeds the parts of a figure are over: `3 seeds`, `2 to 3 seeds`."""
    found = sorted(counts)
    least, most = found[0], found[-1]
    return counted(most, "seed") if least == most else f"{least} to {most} seeds"
