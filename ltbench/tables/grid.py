"""The grid: every row and column of a table with what is reported and what the records give."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.protocol import Protocol
from ltbench.runs.record import Record, Scores
from ltbench.runs.store import Cell, Store, slug
from ltbench.tables.definition import Column, Metric, Row, Select, Table
from ltbench.tables.statistics import Estimate, mean_interval, separated_best

_EPOCH = {
    "last": "last epoch",
    "best": "best epoch on the test set (optimistic)",
    "selected": "best epoch on held-out training images",
}


@dataclass(frozen=True)
class Head:
    """A column with everything but method and seed settled."""

    column: Column
    network: str
    protocol: Protocol

    def cell(self, method: str, seed: int) -> Cell:
        """Return the cell of a method and a seed."""
        return Cell(self.column.dataset, self.protocol.specification, self.network, method, seed)


@dataclass(frozen=True)
class Entry:
    """What stands where a row and a column meet."""

    reported: float | None
    reproduced: Estimate | None
    seeds: tuple[int, ...]  # that `reproduced` is the mean over
    wanted: int  # seeds that make it complete
    status: str
    absent: bool  # whether a run would add to it
    best: bool = False  # whether its interval sets it apart from all others of its column

    @property
    def difference(self) -> float | None:
        """Return reproduced - reported, in points."""
        if self.reported is None or self.reproduced is None:
            return None
        return self.reproduced.mean - self.reported

    @property
    def count(self) -> str:
        """Return n in brackets where it is not the wanted one."""
        return "" if len(self.seeds) in (0, self.wanted) else f"({len(self.seeds)})"

    def __str__(self) -> str:
        return f"{self.reproduced or '--'} {self.count}".rstrip()


@dataclass(frozen=True)
class Grid:
    """A table filled from a store; the renderers are functions of it alone."""

    table: Table
    heads: tuple[Head, ...]
    lines: tuple[tuple[Entry, ...], ...]  # one tuple a row, one entry a column
    problems: tuple[str, ...]  # records that do not read, reported values without a place
    results: Path

    @property
    def rows(self) -> list[Row]:
        """Return the rows, in the order of `lines`."""
        return self.table.definition.rows

    @cached_property
    def protocols(self) -> list[str]:
        """Return the protocols used, usually one."""
        return list(dict.fromkeys(head.protocol.specification for head in self.heads))

    @property
    def name(self) -> str:
        """Return the name of its files, apart from the table's own under another protocol."""
        own = [self.table.protocol(head.column) for head in self.heads]
        if own == [head.protocol for head in self.heads]:
            return self.table.name
        return f"{self.table.name}_{'_'.join(map(slug, self.protocols))}"

    @property
    def caption(self) -> str:
        """Return how the reproduced values came about."""
        proxies = [head.protocol for head in self.heads if not head.protocol.exact]
        names = list(dict.fromkeys(each.specification for each in proxies))
        warning = (
            f" Proxy: protocol {', '.join(names)} can neither confirm nor contradict the paper."
            if names
            else ""
        )
        n = len(self.table.definition.seeds)
        return (
            f"Reproduced: mean ± half-width of the 95 % t-interval over n = {n} seeds (another n "
            f"stands in brackets), {_EPOCH[self.table.definition.select]}, "
            f"protocol {', '.join(self.protocols)}.{warning}"
        )


def build(table: Table, store: Store, protocol: str | None = None) -> Grid:
    """Fill a table from the records of its cells, and of no others.

    `protocol` replaces the table's; raises UsageError where a data set does not have it.
    """
    definition = table.definition
    heads = tuple(
        Head(column, table.network(column), table.protocol(column, protocol))
        for column in definition.columns
    )
    records, problems = _read(
        store,
        (
            head.cell(row.method, seed)
            for row in definition.rows
            if row.method is not None
            for head in heads
            for seed in definition.seeds
        ),
    )
    lines = tuple(
        tuple(_entry(table, row, head, records) for head in heads) for row in definition.rows
    )
    problems += _unplaced(table)
    return Grid(table, heads, _mark_best(lines), tuple(problems), store.root)


def _read(store: Store, cells: Iterable[Cell]) -> tuple[dict[Cell, Record], list[str]]:
    records, problems = {}, []
    for cell in dict.fromkeys(cells):
        try:
            record = store.read(cell)
        except LtbenchError as error:
            problems.append(str(error))
            continue
        if record is None:
            continue
        if Cell.of(record) == cell:
            records[cell] = record
        else:
            path = store.path(cell)
            problems.append(f"{path} holds the record of another cell; move or delete it.")
    return records, problems


def _entry(table: Table, row: Row, head: Head, records: dict[Cell, Record]) -> Entry:
    reported = table.reported.get(table.place(row, head.column))
    seeds = table.definition.seeds
    if row.method is None:
        return Entry(reported, None, (), len(seeds), "not implemented", absent=False)
    cells = [head.cell(row.method, seed) for seed in seeds]
    found = [records[cell] for cell in cells if cell in records]
    values = {}
    for record in found:
        value = _score(record, table.definition.select, head.column.metric)
        if value is not None:
            values[record.seed] = value
    absent = len(found) < len(seeds)
    if not values:
        status = "no score" if found else "not run"
        return Entry(reported, None, (), len(seeds), status, absent)
    if not head.protocol.exact:
        status = "proxy"
    elif len(values) < len(seeds):
        status = f"partial ({len(values)} of {len(seeds)} seeds)"
    else:
        status = "complete"
    estimate = mean_interval(list(values.values()))
    return Entry(reported, estimate, tuple(values), len(seeds), status, absent)


def _mark_best(lines: tuple[tuple[Entry, ...], ...]) -> tuple[tuple[Entry, ...], ...]:
    columns = zip(*lines, strict=True)
    best = [separated_best([entry.reproduced for entry in column]) for column in columns]
    return tuple(
        tuple(replace(entry, best=best[column] == row) for column, entry in enumerate(entries))
        for row, entries in enumerate(lines)
    )


def _score(record: Record, select: Select, metric: Metric) -> float | None:
    """Return a score; None where the run has no such epoch or the data no such classes."""
    scores: Scores | None = getattr(record, select)
    value: float | None = getattr(scores, metric) if scores is not None else None
    return value


def _unplaced(table: Table) -> list[str]:
    definition = table.definition
    places = {table.place(row, column) for row in definition.rows for column in definition.columns}
    left = [place for place in table.reported if place not in places]
    if not left:
        return []
    return [
        f"{len(left)} of {len(table.reported)} reported values belong to no row and column, "
        f"such as {left[0]}; compare its label, data set and network with the table's."
    ]
