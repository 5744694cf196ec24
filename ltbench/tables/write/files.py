"""A grid as files. Pure functions: the same records give the same bytes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltbench.runs.files import csv_text, four_decimals, write_text
from ltbench.statistics.estimates import Estimate
from ltbench.tables.grid import Grid, TableCell
from ltbench.tables.reported import RECALLED
from ltbench.tables.write.latex import latex

# Called as the ledger's are, where both have them.
FIELDS = (
    "row", "venue", "column", "dataset", "network", "metric", "reported", "specification",
    "protocol", "select", "n", "seeds", "mean", "ci95", "difference", "status", "verdict",
    "missing_seeds", "enough_seeds",
)  # fmt: skip


def write(grid: Grid, folder: Path, siunitx: bool = False) -> list[Path]:
    """Write the table as CSV, LaTeX and Markdown, and return the files."""
    texts = {".csv": long_csv(grid), ".tex": latex(grid, siunitx), ".md": markdown(grid)}
    for suffix, text in texts.items():
        write_text(folder / f"{grid.name}{suffix}", text)
    return [folder / f"{grid.name}{suffix}" for suffix in texts]


def long_csv(grid: Grid) -> str:
    """Return the table with one line for each row and column."""
    if not any(entry.remembered for entries in grid.lines for entry in entries):
        return csv_text([FIELDS, *_long_rows(grid)])
    marks = [RECALLED * entry.remembered for entries in grid.lines for entry in entries]
    marked = [(*row, mark) for row, mark in zip(_long_rows(grid), marks, strict=True)]
    return csv_text([(*FIELDS, "from_memory"), *marked])


def _long_rows(grid: Grid) -> Iterator[tuple[Any, ...]]:
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        for resolved, entry in zip(grid.columns, entries, strict=True):
            column, verdict = resolved.column, entry.verdict
            yield (
                row.label, row.venue, column.title, column.dataset, resolved.network, column.metric,
                _given(entry.reported), row.method_on(column.data), resolved.protocol,
                grid.table.definition.select, len(entry.seeds), " ".join(map(str, entry.seeds)),
                *_mean_and_half_width(entry.reproduced), four_decimals(entry.difference),
                entry.status, *((None,) * 3 if verdict is None else
                  (verdict.word, verdict.missing or None, verdict.enough)),
            )  # fmt: skip


def markdown(grid: Grid) -> str:
    """Return the table as Markdown: in a cell, reported above reproduced."""
    definition = grid.table.definition
    titles = [each.column.title for each in grid.columns]
    lines = [
        _paragraph(*_caption(grid)),
        _row(["Method", "Venue", *map(_plain, titles)]),
        _row([":--", ":--", *["--:"] * len(titles)]),
    ]
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        cells = [_cell(entry, row.method is not None, grid) for entry in entries]
        lines.append(_row([_plain(row.label), _plain(row.venue or ""), *cells]))
    made = [grid.caption] if definition.caption is not None else []
    lines += [""] + [f"- {_plain(note)}" for note in (*made, *grid.notes)]
    lines += [
        f"- {_plain(row.label)}, not implemented: {_plain(row.reason)}."
        for row in grid.rows
        if row.reason is not None
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _caption(grid: Grid) -> list[str]:
    """Return the sentences of a caption: a table's own, or what is in it and how it came about."""
    definition = grid.table.definition
    if definition.caption is not None:
        return [_plain(definition.caption)]
    legend = "Above: reported"
    if any(entry.difference is not None for entries in grid.lines for entry in entries):
        legend += "; small: reproduced minus reported"
    keys = [f"{legend}."] if grid.table.reported else []
    return [f"**{_plain(definition.title)}.**", *keys, _plain(grid.caption)]


def _cell(entry: TableCell, runs: bool, grid: Grid) -> str:
    """Return a cell: reported, reproduced and difference above one another, those there are."""
    parts = [_reported(entry)] if grid.table.reported else []
    parts += [_reproduced(entry)] if runs else []
    parts += [f"<sub>{entry.number(entry.difference, '+')}</sub>"] * (entry.difference is not None)
    return "<br>".join(parts)


def _reported(entry: TableCell) -> str:
    return entry.printed or "--"


def _reproduced(entry: TableCell) -> str:
    if entry.second:
        return f"<ins>{entry}</ins>"  # Markdown has no underline; <u> is often taken out
    return f"**{entry}**" if entry.best else str(entry)


def _mean_and_half_width(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "", ""
    return four_decimals(estimate.mean), four_decimals(estimate.half_width)


def _given(value: float | None) -> float | None:
    """Return a reported value as printed; a ratio of two has four decimals."""
    return None if value is None else round(value, 4)


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]<>|#~$&])", r"\\\1", text)


def _paragraph(*sentences: str) -> str:
    return " ".join(sentences) + "\n"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
