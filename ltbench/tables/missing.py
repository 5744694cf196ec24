"""What a table lacks, as the commands that fill it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ltbench.data.catalog import Dataset
from ltbench.registry.signatures import lacking
from ltbench.runs.commands import run_command
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.definition import Table, TableRow
from ltbench.tables.grid import Grid, TableCell


def unavailable(grid: Grid, methods: Collection[str]) -> list[str]:
    """Return the methods that missing entries need and that are not among `methods`."""
    return lacking((method for method, _ in _absent(grid)), methods)


def commands(grid: Grid, methods: Collection[str]) -> list[str]:
    """Return the commands that fill the missing entries, one for each data set.

    Only specifications made of `methods` can run. A command names all seeds of the table: those
    that are finished are skipped.
    """
    seeds = grid.table.definition.seeds
    return [
        run_command(members, *where, seeds, results=grid.results)
        for where, members in fillable(grid, methods).items()
    ]


def fillable(grid: Grid, methods: Collection[str]) -> dict[tuple[Dataset, str, str], list[str]]:
    """Return the missing specifications that can run, by data set, network and protocol."""
    return _by_setting(_absent(grid), methods)


def runnable(grid: Grid, methods: Collection[str]) -> dict[tuple[Dataset, str, str], list[str]]:
    """Return the specifications that ran or can run, by data set, network and protocol."""
    return _by_setting(_ran_or_absent(grid), methods)


def _by_setting(
    pairs: Iterable[tuple[str, ResolvedColumn]], methods: Collection[str]
) -> dict[tuple[Dataset, str, str], list[str]]:
    found: dict[tuple[Dataset, str, str], list[str]] = {}
    for method, resolved in pairs:
        members = found.setdefault((resolved.column.data, resolved.network, resolved.protocol), [])
        if method not in members and not lacking([method], methods):
            members.append(method)
    return {where: members for where, members in found.items() if members}


def _absent(grid: Grid) -> list[tuple[str, ResolvedColumn]]:
    return [pair for pair, entry in _entries(grid) if entry.absent]


def _ran_or_absent(grid: Grid) -> list[tuple[str, ResolvedColumn]]:
    return [pair for pair, entry in _entries(grid) if entry.absent or entry.seeds]


def _entries(grid: Grid) -> Iterator[tuple[tuple[str, ResolvedColumn], TableCell]]:
    for resolved, entries in zip(grid.columns, zip(*grid.lines, strict=True), strict=True):
        for row, entry in zip(grid.rows, entries, strict=True):
            if (method := resolved.method(row)) is not None:
                yield (method, resolved), entry


@dataclass(frozen=True)
class Coverage:
    """Whether a row can run; `reason` says why not, and is empty where it can."""

    label: str
    specifications: tuple[str, ...]
    reason: str

    @property
    def runnable(self) -> bool:
        """Return whether this version has every part of the row's specifications."""
        return not self.reason


def not_here(specifications: Iterable[str], methods: Collection[str]) -> str:
    """Return why specifications cannot run, in words; nothing where all their parts are here."""
    names = lacking(specifications, methods)
    return f"this version has no {', '.join(names)}" if names else ""


def coverage(table: Table, methods: Collection[str]) -> list[Coverage]:
    """Return for each row whether it runs, and why not, given the methods that this version has."""
    return [_row(row, table, methods) for row in table.definition.rows]


def rows_left_out(table: Table, methods: Collection[str]) -> list[str]:
    """Return one sentence that names the methods of the table's rows that are not among `methods`.

    Nothing where all of them are.
    """
    wanted = (each for row in coverage(table, methods) for each in row.specifications)
    absent = lacking(wanted, methods)
    if not absent:
        return []
    return [
        f"table {table.short}: rows of {', '.join(absent)} are left out, for no such method is "
        "known here; --load its file."
    ]


def unavailable_data(table: Table) -> list[str]:
    """Return the titles of the table's data sets that this version cannot read."""
    data = (column.data for column in table.definition.columns)
    return list(dict.fromkeys(each.info.title for each in data if not each.available))


def _row(row: TableRow, table: Table, methods: Collection[str]) -> Coverage:
    if row.method is None:
        return Coverage(row.label, (), row.reason or "")
    wanted = [row.method_on(column.data) for column in table.definition.columns]
    specifications = tuple(dict.fromkeys(each for each in wanted if each is not None))
    return Coverage(row.label, specifications, not_here(specifications, methods))


def why_not_run(rows: Sequence[TableRow], data: Dataset, methods: Collection[str] | None) -> str:
    """Return why no run of this version can fill a line; nothing where one can."""
    for row in rows:
        if row.reason is not None:
            return row.reason
    if not data.available:
        return f"{data.info.title} cannot be read yet"
    wanted = [method for row in rows if (method := row.method_on(data)) is not None]
    return "" if methods is None else not_here(wanted, methods)
