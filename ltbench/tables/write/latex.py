"""A table as LaTeX: booktabs, reported values in grey, reproduced ones beneath."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from ltbench.tables.grid import Grid, TableCell

_ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "*": "{*}",  # after a row's \\ these two are its arguments
    **{character: f"\\{character}" for character in "{}$&#%_"},
}  # fmt: skip

_DOCUMENT = r"""%% Written by `ltbench table`. Needs the packages %(packages)s.
\begin{table}
\centering%(setup)s
\caption{%(caption)s}
\label{tab:%(label)s}
\medskip
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%%
\begin{tabular}{%(alignment)s}
\toprule
%(body)s
\bottomrule
\end{tabular}}%(notes)s
\end{table}
"""
# Grey and bold must reach the number, and the half-width stand behind a plus-minus.
_SIUNITX = r"""
\sisetup{mode=text, reset-text-series=false, uncertainty-mode=separate}"""
_NOTES = r"""

\medskip
\begin{minipage}{\linewidth}\footnotesize
%s
\end{minipage}"""


def latex(grid: Grid, siunitx: bool = False) -> str:
    """Return the table as a LaTeX `table` environment.

    With siunitx, version 3, numbers are its own and stand with their decimal points in line.
    """
    definition = grid.table.definition
    caption = [
        escape(f"{definition.title}."), r"\textcolor{gray}{Grey}: reported.", escape(grid.caption)
    ]  # fmt: skip
    notes = [*definition.notes, *_absent(grid)]
    packages = f"booktabs, graphicx{', siunitx' if siunitx else ''} and xcolor"
    return _DOCUMENT % {
        "packages": packages,
        "setup": _SIUNITX if siunitx else "",
        "caption": " ".join(caption),
        "label": re.sub(r"[^A-Za-z0-9]+", "-", grid.name),
        "alignment": "l" * _labels(grid) + _alignment(grid, siunitx),
        "body": "\n".join([*_header(grid, siunitx), r"\midrule", *_rows(grid, siunitx)]),
        "notes": _NOTES % "\\par\n".join(map(escape, notes)) if notes else "",
    }


def escape(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    return escaped.replace(" = ", "~=~")  # an equation stays on one line


def _absent(grid: Grid) -> list[str]:
    """Return a note on rows that have no second line, where there are such."""
    names = [row.label for row in grid.rows if row.method is None]
    return [f"Not implemented, hence reported only: {', '.join(names)}."] if names else []


def _labels(grid: Grid) -> int:
    """Return how many columns stand before the values: venues only where a row has one."""
    return 2 if any(row.venue for row in grid.rows) else 1


def _alignment(grid: Grid, siunitx: bool) -> str:
    if not siunitx:
        return "c" * len(grid.heads)
    return "".join(
        f"S[table-format={{{_format([line[place] for line in grid.lines])}}}]"
        for place in range(len(grid.heads))
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


def _header(grid: Grid, siunitx: bool) -> list[str]:
    groups, rules, start = [], [], _labels(grid) + 1
    for group, members in groupby(head.column.group or "" for head in grid.heads):
        width = len(list(members))
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    labels = ["Method", "Venue"][: _labels(grid)]
    above = [_line([*[""] * len(labels), *groups]), "".join(rules)] if rules else []
    headers = [escape(head.column.header) for head in grid.heads]
    if siunitx:  # whose columns take everything bare for a number
        headers = [f"{{{header}}}" for header in headers]
    return [*above, _line([*labels, *headers])]


def _rows(grid: Grid, siunitx: bool) -> list[str]:
    reported, reproduced = (_grey, _number) if siunitx else (_reported, _reproduced)
    lines: list[str] = []
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        lines += [r"\addlinespace[2pt]"] if lines else []
        labels = [escape(row.label), escape(row.venue or "")][: _labels(grid)]
        lines.append(_cells(labels, entries, reported))
        if row.method is not None:
            lines.append(_cells([""] * len(labels), entries, reproduced))
    return lines


def _cells(
    labels: list[str], entries: tuple[TableCell, ...], show: Callable[[TableCell], str]
) -> str:
    return _line([*labels, *map(show, entries)])


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _reported(entry: TableCell) -> str:
    text = entry.number(entry.reported)
    return rf"\textcolor{{gray}}{{{text}}}" if text else ""


def _reproduced(entry: TableCell) -> str:
    text = escape(str(entry))
    if entry.second:
        return rf"\underline{{{text}}}"
    return rf"\textbf{{{text}}}" if entry.best else text


def _grey(entry: TableCell) -> str:
    text = entry.number(entry.reported)
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
