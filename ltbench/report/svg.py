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

_LABEL = 24  # characters; the table beside it has the whole name


@dataclass(frozen=True)
class Plot:
    """A figure; `legend` has a colour's place and marker's name for each of its series."""

    title: str
    caption: str
    image: Markup
    legend: tuple[str, ...] = ()


def short(name: str) -> str:
    """Return a name, its middle left out where it is long."""
    if len(name) <= _LABEL:
        return name
    return f"{name[: _LABEL - 10]}…{name[-9:]}"


WIDTH = 4.6  # inches; wide enough for a card, small enough that a phone keeps it readable
POINTS = 72  # an inch

# Colours that stand for variables of the page's style sheet.
INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0500{place:02x}" for place in range(6))
MARKERS = "osD^vP"
_VARIABLES = {
    INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--card)",
    **{colour: f"var(--s{place})" for place, colour in enumerate(SERIES)},
}  # fmt: skip

_SETTINGS: Any = {
    "svg.hashsalt": "ltbench",  # else the names of markers are drawn anew each time
    "svg.fonttype": "none",
    "text.parse_math": False,  # names may hold a dollar sign
    "font.size": 8.5, "font.family": "sans-serif",
    "text.color": INK, "axes.labelcolor": MUTED, "axes.edgecolor": LINE, "axes.facecolor": "none",
    "figure.facecolor": "none", "xtick.color": LINE, "ytick.color": LINE,
    "xtick.labelcolor": MUTED, "ytick.labelcolor": INK, "xtick.major.size": 0,
    "ytick.major.size": 0, "axes.grid": True, "axes.axisbelow": True, "grid.color": LINE,
    "grid.linewidth": 0.6, "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "lines.linewidth": 1.3, "lines.markersize": 4,
}  # fmt: skip

_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_VARIABLE = re.compile("|".join(_VARIABLES))
_REFERENCE = re.compile(r"#([A-Za-z]\w*)")
_FONT = re.compile(r"font(?:-size)?: ([\d.]+)px[^;]*")
_FAMILY = re.compile(r"font-family: [^;]*;? ?")


@contextmanager
def drawing() -> Iterator[None]:
    """Draw in the report's style, whatever the user's own matplotlib settings are."""
    with mpl.rc_context(), warnings.catch_warnings():
        # The browser has its own fonts; what matplotlib's lacks it need not draw.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def canvas(height: float, left: float, bottom: float = 30, top: float = 6) -> tuple[Figure, Axes]:
    """Return a figure of a height in inches, and its axes; the margins are in points."""
    figure = Figure(figsize=(WIDTH, height))
    wide, high = WIDTH * POINTS, height * POINTS
    place = (left / wide, bottom / high, (wide - left - 10) / wide, (high - bottom - top) / high)
    return figure, figure.add_axes(place)


def inline(figure: Figure, key: str, label: str) -> Markup:
    """Return a figure as an `svg` element; `key` keeps its ids apart from those of others.

    `label` is what a reader who does not see it is told.
    """
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            # Its style would reach the whole page; the page's own has what is needed of it.
            if _local(child.tag) in {"metadata", "style"}:
                parent.remove(child)
    used = {
        name for each in root.iter() for text in each.attrib.values()
        for name in _REFERENCE.findall(text)
    }  # fmt: skip
    for element in root.iter():
        element.tag = _local(element.tag)
        element.tail = None
        element.text = element.text and element.text.strip()
        element.attrib = {
            _local(name): _plain(text, name, key, used)
            for name, text in element.attrib.items()
            if name != "id" or text in used
        }
    root.attrib = {
        "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": label, "class": "plot",
    }  # fmt: skip
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _plain(text: str, name: str, key: str, used: set[str]) -> str:
    """Return an attribute with the page's colours and font, its own ids, two decimals at most."""
    if name == "id":
        return f"{key}-{text}"
    text = _VARIABLE.sub(lambda match: _VARIABLES[match[0]], text)
    text = _REFERENCE.sub(
        lambda match: f"#{key}-{match[1]}" if match[1] in used else match[0], text
    )
    text = _FONT.sub(r"font-size: \1px", _FAMILY.sub("", text))
    return " ".join(_NUMBER.sub(_rounded, text).split())


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):z.2f}".rstrip("0").rstrip(".")
