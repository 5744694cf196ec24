"""What a table lacks, as the commands that fill it."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ltbench.data.catalog import Dataset
from ltbench.runs.commands import run_command
from ltbench.specification import parse
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.definition import Row, Table
from ltbench.tables.grid import Grid


def implemented() -> frozenset[str]:
    """Return the methods that come with ltbench, by their files: importing them takes torch."""
    # As with tables: a wheel holds them inside the package, in a checkout they lie beside it.
    inside = Path(__file__).parents[1] / "methods"
    folder = inside if inside.is_dir() else Path(__file__).parents[2] / "methods"
    return frozenset(path.stem for path in folder.glob("[!_]*.py"))


def unavailable(grid: Grid, methods: Collection[str]) -> list[str]:
    """Return the methods that missing entries need and that are not among `methods`."""
    names = (term.name for method, _ in _lacking(grid) for term in parse(method))
    return [name for name in dict.fromkeys(names) if name not in methods]


def commands(grid: Grid, methods: Collection[str]) -> list[str]:
    """Return the commands that fill the missing entries, one for each data set.

    Only specifications made of `methods` can run. A command names all seeds of the table: those
    that are finished are skipped.
    """
    groups: dict[tuple[Dataset, str, str], list[str]] = {}
    for method, head in _lacking(grid):
        if all(term.name in methods for term in parse(method)):
            groups.setdefault((head.column.data, head.network, head.protocol), []).append(method)
    seeds = grid.table.definition.seeds
    return [
        run_command(members, *where, seeds, results=grid.results)
        for where, members in groups.items()
    ]


def _lacking(grid: Grid) -> list[tuple[str, ResolvedColumn]]:
    return [
        (method, head)
        for head, entries in zip(grid.heads, zip(*grid.lines, strict=True), strict=True)
        for row, entry in zip(grid.rows, entries, strict=True)
        if entry.absent and (method := row.method_on(head.column.data)) is not None
    ]


@dataclass(frozen=True)
class Coverage:
    """A row; `reason` is empty where its specification runs."""

    label: str
    specifications: tuple[str, ...]
    reason: str

    @property
    def runnable(self) -> bool:
        """Return whether this version has every part of the row's specifications."""
        return not self.reason


def coverage(table: Table, methods: Collection[str]) -> list[Coverage]:
    """Return what each row needs, given the methods that this version has."""
    return [_row(row, table, methods) for row in table.definition.rows]


def unreadable(table: Table) -> list[str]:
    """Return the titles of the table's data sets that this version cannot read."""
    data = (column.data for column in table.definition.columns)
    return list(dict.fromkeys(each.info.title for each in data if not each.available))


def _row(row: Row, table: Table, methods: Collection[str]) -> Coverage:
    if row.method is None:
        return Coverage(row.label, (), row.reason or "")
    wanted = [row.method_on(column.data) for column in table.definition.columns]
    specifications = tuple(dict.fromkeys(each for each in wanted if each is not None))
    names = dict.fromkeys(term.name for each in specifications for term in parse(each))
    lacking = [name for name in names if name not in methods]
    reason = f"this version has no {', '.join(lacking)}" if lacking else ""
    return Coverage(row.label, specifications, reason)
