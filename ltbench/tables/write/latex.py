"""A table as LaTeX: booktabs, reported values in grey, reproduced ones beneath."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from ltbench.tables.grid import Grid, TableCell

if TYPE_CHECKING:
    from jinja2 import Template

WIDE = 5  # columns of values; a table with more goes over both columns of a page

_MATHS = {
    "±": "pm", "≥": "geq", "≤": "leq", "≠": "neq", "≈": "approx", "×": "times",  # noqa: RUF001
    "→": "to", "∞": "infty",
}  # fmt: skip
# Greek letters for which LaTeX has no command, for they look like Latin ones.
_LATIN = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo")  # noqa: RUF001
_ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "−": "$-$",  # noqa: RUF001
    "[": "{[}", "*": "{*}",  # after a row's \\ these two are its arguments
    **{character: f"\\{character}" for character in "{}$&#%_"},
    **{character: rf"$\{name}$" for character, name in _MATHS.items()},
}  # fmt: skip


@dataclass(frozen=True)
class _Group:
    """Neighbouring columns under one title, by their numbers in the LaTeX table."""

    title: str
    first: int
    last: int

    @property
    def width(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class _Row:
    """One row: its labels, and line by line what each column shows."""

    labels: list[str]
    lines: list[list[str]]


def latex(grid: Grid, siunitx: bool = False) -> str:
    """Return the table as a LaTeX `table`, one of many columns as a `table*`.

    With siunitx, version 3, numbers are its own and stand with their decimal points in line.
    """
    definition = grid.table.definition
    labels = ["Method", "Venue"] if any(row.venue for row in grid.rows) else ["Method"]
    return _template().render(
        packages=f"booktabs, graphicx{', siunitx' if siunitx else ''} and xcolor",
        environment="table*" if len(grid.columns) > WIDE else "table",
        siunitx=siunitx,
        caption=_caption(grid),
        label=re.sub(r"[^A-Za-z0-9]+", "-", grid.name),
        alignment="l" * len(labels) + _alignment(grid, siunitx),
        labels=labels,
        groups=_groups(grid, len(labels) + 1),
        headers=[each.column.header for each in grid.columns],
        rows=_rows(grid, len(labels), siunitx),
        notes=[*([grid.caption] if definition.caption else []), *grid.notes, *_absent(grid)],
    )


def escape(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    latin = text.translate(_LATIN)
    escaped = "".join(_ESCAPES.get(character) or _greek(character) for character in latin)
    escaped = re.sub("-(?=-)", "-{}", escaped)  # two would become one dash
    return escaped.replace(" = ", "~=~")  # an equation stays on one line


def _greek(character: str) -> str:
    """Return a Greek letter as LaTeX's command for it; any other character as it is."""
    name = re.fullmatch(
        r"GREEK (SMALL|CAPITAL) LETTER (FINAL )?(\w+)", unicodedata.name(character, "")
    )
    if name is None:
        return character
    word = name[3].lower().replace("lamda", "lambda")
    word = word.capitalize() if name[1] == "CAPITAL" else word
    return rf"$\{'var' * bool(name[2])}{word}$"


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  (slow)

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False,
        block_start_string="<%", block_end_string="%>", variable_start_string="<<",
        variable_end_string=">>", comment_start_string="<#", comment_end_string="#>",
    )  # fmt: skip
    environment.filters["tex"] = escape
    return environment.get_template("table.tex")


def _caption(grid: Grid) -> list[str]:
    """Return the parts of a caption, in LaTeX: a table's own, or what is in it and how it came."""
    definition = grid.table.definition
    if definition.caption is not None:
        return [escape(definition.caption)]
    legend = r"\textcolor{gray}{Grey}: reported"
    if any(entry.difference is not None for entries in grid.lines for entry in entries):
        legend += r"; {\footnotesize small}: reproduced minus reported"
    keys = [f"{legend}."] if grid.table.reported else []
    return [escape(f"{definition.title}."), *keys, escape(grid.caption)]


def _absent(grid: Grid) -> list[str]:
    """Return a note on rows that have no second line, where there are such."""
    names = [row.label for row in grid.rows if row.method is None]
    return [f"Not implemented, hence reported only: {', '.join(names)}."] if names else []


def _alignment(grid: Grid, siunitx: bool) -> str:
    if not siunitx:
        return "c" * len(grid.columns)
    return "".join(
        f"S[table-format={{{_format([line[index] for line in grid.lines])}}}]"
        for index in range(len(grid.columns))
    )


def _format(entries: list[TableCell]) -> str:
    """Return how many digits a column needs, as siunitx writes it: 2.1 +- 1.1."""
    decimals = entries[0].decimals
    estimates = [each.reproduced for each in entries if each.reproduced is not None]
    means = [each.reported for each in entries] + [each.mean for each in estimates]
    halves = [each.half_width for each in estimates]
    text = f"{_whole(means)}.{decimals}"
    if any(half is not None for half in halves):
        text += f" +- {_whole(halves)}.{decimals}"
    count = max((each.count for each in entries), key=len)
    return f"{text} {{\\,{count}}}" if count else text


def _whole(values: Sequence[float | None]) -> int:
    """Return the most digits before a decimal point."""
    return max((len(str(int(abs(value)))) for value in values if value is not None), default=1)


def _groups(grid: Grid, first: int) -> list[_Group]:
    found = []
    for title, members in groupby(each.column.group or "" for each in grid.columns):
        width = len(list(members))
        found.append(_Group(title, first, first + width - 1))
        first += width
    return found


def _rows(grid: Grid, labels: int, siunitx: bool) -> list[_Row]:
    reported, reproduced = (_grey, _number) if siunitx else (_reported, _reproduced)
    rows = []
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        lines = [[reported(entry) for entry in entries]] if grid.table.reported else []
        if row.method is not None:
            lines.append([reproduced(entry) for entry in entries])
        if any(entry.difference is not None for entry in entries):
            lines.append([_difference(entry) for entry in entries])
        rows.append(_Row([row.label, row.venue or ""][:labels], lines or [[""] * len(entries)]))
    return rows


def _reported(entry: TableCell) -> str:
    text = entry.printed
    return rf"\textcolor{{gray}}{{{text}}}" if text else ""


def _difference(entry: TableCell) -> str:
    text = entry.number(entry.difference, sign="+").replace("-", "$-$")
    return rf"{{\footnotesize {text}}}" if text else ""


def _reproduced(entry: TableCell) -> str:
    if entry.reproduced is None:
        return "--"
    text = escape(str(entry))
    if entry.second:
        return rf"\underline{{{text}}}"
    return rf"\textbf{{{text}}}" if entry.best else text


def _grey(entry: TableCell) -> str:
    text = entry.number(entry.reported)
    if text != entry.printed:  # with a mark it is no number for siunitx
        return rf"{{\textcolor{{gray}}{{{entry.printed}}}}}"
    return rf"\color{{gray}} {text}" if text else ""


def _number(entry: TableCell) -> str:
    if entry.reproduced is None:
        return "{--}"
    half = entry.reproduced.half_width
    text = entry.number(entry.reproduced.mean)
    text += "" if half is None else f" +- {entry.number(half)}"
    if entry.second:  # a line under parts of a number is beyond siunitx
        return rf"{{\underline{{{escape(str(entry))}}}}}"
    text = rf"\bfseries {text}" if entry.best else text
    return f"{text} {{\\,{entry.count}}}" if entry.count else text
