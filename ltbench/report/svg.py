"""Figures as inline SVG: text stays text, and colours are the page's, light or dark."""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ltbench.figures.style import COLOURS, style

_LABEL = 22  # characters; the table beside it has the whole name


@dataclass(frozen=True)
class Plot:
    """A figure; `legend` names its series by colour, `verdicts` the words its colours stand for."""

    title: str
    caption: str
    image: Markup
    legend: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()


def short(name: str) -> str:
    """Return a name, its middle left out where it is long."""
    if len(name) <= _LABEL:
        return name
    return f"{name[: _LABEL - 10]}…{name[-9:]}"


WIDTH = 4.5  # inches: no card is narrower, so that no letter is smaller than drawn
FONT = 11  # points
POINTS = 72  # an inch

INK, MUTED, LINE, PAPER = "#1b1e23", "#5a616b", "#dfe1e4", "#ffffff"
# The series' colours, and what stands for them on a dark page.
_ON_DARK = ("#56b4e9", "#ff9f5a", "#4fd0a5", "#ee9fca", "#a9d8f5", "#f0c04e")
PALETTE = tuple(zip(COLOURS, _ON_DARK, strict=True))
VERDICTS = {
    "holds": "#17693a", "differs": "#b3261e", "undecided": "#8a5300", "proxy": "#5b4a9e",
}  # fmt: skip
# What the page's style sheet calls each colour, which has others for its dark theme.
_VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--card)",
    "#4c4c4c": "var(--muted)", "#404040": "var(--muted)", "#8c8c8c": "var(--muted)",
    "#ebebeb": "var(--line)",  # as in the files of figures
    **{colour: f"var(--s{index})" for index, colour in enumerate(COLOURS)},
    **{colour: f"var(--{word})" for word, colour in VERDICTS.items()},
}  # fmt: skip
_ON_A_CARD: dict[Any, Any] = {
    "svg.fonttype": "none", "font.size": FONT,
    "text.parse_math": False,  # names may hold a dollar sign
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": LINE, "axes.facecolor": "none",
    "figure.facecolor": "none", "xtick.color": LINE, "ytick.color": LINE,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": INK, "xtick.major.size": 0,
    "ytick.major.size": 0, "grid.color": LINE, "grid.linewidth": 0.6, "axes.spines.left": False,
    "lines.linewidth": 1.3, "lines.markersize": 4,
}  # fmt: skip
_NUMBER = re.compile(r"-?\d+\.\d{3,}")


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in ltbench's style on the page's cards."""
    with style(_ON_A_CARD), warnings.catch_warnings():
        # The browser has its own fonts; what matplotlib's lacks it need not draw.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def canvas(
    height: float, left: float, bottom: float = 36, top: float = 8, right: float = 10
) -> tuple[Figure, Axes]:
    """Return a figure of a height in inches, and its axes; the margins are in points."""
    figure = Figure(figsize=(WIDTH, height))
    wide, high = WIDTH * POINTS, height * POINTS
    inner = (left / wide, bottom / high, (wide - left - right) / wide, (high - bottom - top) / high)
    return figure, figure.add_axes(inner)


def inline(figure: Figure, key: str, label: str) -> Markup:
    """Return a figure as an `svg` element; `key` keeps its ids apart from those of others.

    `label` describes it to those who do not see it.
    """
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": key}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            # Its style would reach the whole page; the page's own has what is needed of it.
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    for element in root.iter():
        element.tag = _local(element.tag)
        element.tail = None
        element.text = element.text and element.text.strip()
        element.attrib = {
            _local(name): " ".join(_NUMBER.sub(_rounded, text).split())
            for name, text in element.attrib.items()
            if name != "id" or element.tag in {"path", "clipPath"}  # the groups' are in no use
        }
    root.attrib = {
        "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label, "class": "plot",
    }  # fmt: skip
    text = ElementTree.tostring(root, encoding="unicode")
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return Markup(text)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):z.2f}".rstrip("0").rstrip(".")
