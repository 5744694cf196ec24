"""A table as LaTeX: booktabs, reported values in grey, reproduced ones beneath."""

import re
from itertools import groupby

from ltbench.tables.grid import Entry, Grid

_ESCAPES = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "[": "{[}", "*": "{*}",  # after a row's \\ these two are its arguments
    **{character: f"\\{character}" for character in "{}$&#%_"},
}  # fmt: skip

_DOCUMENT = r"""%% Written by `ltbench table`. Needs the packages booktabs, graphicx and xcolor.
\begin{table}
\centering
\caption{%(caption)s}
\label{tab:%(label)s}
\medskip
\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%%
\begin{tabular}{ll%(alignment)s}
\toprule
%(body)s
\bottomrule
\end{tabular}}
\end{table}
"""


def latex(grid: Grid) -> str:
    """Return the table as a LaTeX `table` environment."""
    definition = grid.table.definition
    sentences = [
        f"{definition.title}.",
        r"\textcolor{gray}{Grey}: reported.",
        *map(escape, [grid.caption, *definition.notes]),
    ]
    sentences[0] = escape(sentences[0])
    return _DOCUMENT % {
        "caption": " ".join(sentences),
        "label": re.sub(r"[^A-Za-z0-9]+", "-", grid.name),
        "alignment": "c" * len(grid.heads),
        "body": "\n".join([*_header(grid), r"\midrule", *_rows(grid)]),
    }


def escape(text: str) -> str:
    """Return text that LaTeX prints as it stands."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _header(grid: Grid) -> list[str]:
    groups, rules, start = [], [], 3
    for group, members in groupby(head.column.group or "" for head in grid.heads):
        width = len(list(members))
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}")
        if group:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    above = [_line(["", "", *groups]), "".join(rules)] if rules else []
    headers = ["Method", "Venue", *(escape(head.column.header) for head in grid.heads)]
    return [*above, _line(headers)]


def _rows(grid: Grid) -> list[str]:
    lines: list[str] = []
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        lines += [r"\addlinespace[2pt]"] if lines else []
        reported = [_reported(entry) for entry in entries]
        lines.append(_line([escape(row.label), escape(row.venue or ""), *reported]))
        if row.method is not None:
            lines.append(_line(["", "", *map(_reproduced, entries)]))
    return lines


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _reported(entry: Entry) -> str:
    text = entry.number(entry.reported)
    return rf"\textcolor{{gray}}{{{text}}}" if text else ""


def _reproduced(entry: Entry) -> str:
    text = escape(str(entry))
    return rf"\textbf{{{text}}}" if entry.best else text
