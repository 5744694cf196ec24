"""What a part gains on several bases: rows `base+part` of a table less rows `base`, by seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ltbench.figures.analysed import NothingToDrawError
from ltbench.figures.definition import Figure
from ltbench.runs.files import csv_text, four_decimals
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, paired_difference
from ltbench.tables.cells import Reader
from ltbench.tables.columns import read_column
from ltbench.tables.definition import Table, TableRow
from ltbench.tables.grid import Grid, grid_of

FIELDS = ("column", "base", "part", "gain", "ci95", "n")


@dataclass(frozen=True)
class Gained:
    """The gains of one part in one column, by base; a base lacks it where either has no records."""

    part: str
    gains: dict[str, Estimate]


@dataclass(frozen=True)
class GainsFigure:
    """A figure's gains: for each column of its table a list of parts."""

    figure: Figure
    grid: Grid
    bases: tuple[str, ...]  # labels, in the order of the rows
    panels: dict[str, tuple[Gained, ...]]  # by the column's title
    remarks: tuple[str, ...]


def gains(figure: Figure, table: Table, store: Store, protocol: str | None = None) -> GainsFigure:
    """Return a figure's gains; raises NothingToDrawError where no base and part have records."""
    grid, reader, rows = grid_of(table, store, protocol), Reader(store), table.definition.rows
    pairs = list(_pairs(rows))
    panels: dict[str, tuple[Gained, ...]] = {}
    for resolved in grid.columns:
        found = read_column(reader, table, resolved, rows).scores
        parts: dict[str, dict[str, Estimate]] = {part: {} for part, _, _ in pairs}
        for part, base, row in pairs:
            own, first = (found.get(each.method_on(resolved.column.data) or "", {})
                          for each in (row, base))  # fmt: skip
            gain = paired_difference(own, first)
            if gain is not None:
                parts[part][base.label] = gain
        panels[resolved.column.title] = tuple(Gained(part, by) for part, by in parts.items())
    if not any(each.gains for parts in panels.values() for each in parts):
        raise NothingToDrawError(
            f"figure {figure.name} is drawn from records and there are none yet; "
            f"`ltbench table {table.short}` says what makes them."
        )
    bases = tuple(dict.fromkeys(base.label for _, base, _ in pairs))
    absent = [row.label for row in rows if row.method is None]
    remarks = (f"Cannot be combined, hence left out: {', '.join(absent)}.",) if absent else ()
    return GainsFigure(figure, grid, bases, panels, remarks)


def _pairs(rows: list[TableRow]) -> Iterator[tuple[str, TableRow, TableRow]]:
    """Yield the part, the base's row and the whole's, part by part in the order of the rows."""
    bases = {row.method: row for row in rows if row.method is not None}
    found = []
    for row in rows:
        base, plus, part = (row.method or "").rpartition("+")
        if plus and base in bases:
            found.append((part, bases[base], row))
    order = list(dict.fromkeys(part for part, _, _ in found))
    yield from sorted(found, key=lambda each: order.index(each[0]))


def as_csv(drawn: GainsFigure) -> str:
    """Return a line for each column, base and part; points with four decimals."""
    rows: list[tuple[Any, ...]] = [FIELDS]
    for title, parts in drawn.panels.items():
        for each in parts:
            for base, gain in each.gains.items():
                numbers = four_decimals(gain.mean), four_decimals(gain.half_width)
                rows.append((title, base, each.part, *numbers, gain.n))
    return csv_text(rows)


def gains_table(drawn: GainsFigure) -> str:
    """Return the gains in Markdown: a row for each base and part, a column for each title."""
    titles = list(drawn.panels)
    lines = [["base", "part", *titles, "n"], ["---", "---", *["--:"] * (len(titles) + 1)]]
    for base in drawn.bases:
        for index, each in enumerate(drawn.panels[titles[0]]):
            found = [drawn.panels[title][index].gains.get(base) for title in titles]
            if any(found):
                texts = ["--" if gain is None else _signed(gain) for gain in found]
                n = max(gain.n for gain in found if gain is not None)
                lines.append([base, f"`{each.part}`", *texts, str(n)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _signed(gain: Estimate) -> str:
    return f"{'+' if round(gain.mean, 1) >= 0 else ''}{gain}"
