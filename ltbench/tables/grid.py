"""The grid: every row and column of a table with what is reported and what the records give."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.protocol import Protocol
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store, slug
from ltbench.tables.definition import Column, Row, Table
from ltbench.tables.metrics import METRICS, Quantity
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
    decimals: int = 1
    comparable: bool = True  # whether a difference to the reported value means something
    best: bool = False  # whether its interval sets it apart from all others of its column

    @property
    def difference(self) -> float | None:
        """Return reproduced - reported, in the metric's unit."""
        if self.reported is None or self.reproduced is None or not self.comparable:
            return None
        return self.reproduced.mean - self.reported

    def number(self, value: float | None, sign: str = "") -> str:
        """Return a value with the column's decimals, or nothing; `sign` is Python's option."""
        return "" if value is None else f"{value:{sign}z.{self.decimals}f}"

    @property
    def count(self) -> str:
        """Return n in brackets where it is not the wanted one."""
        return "" if len(self.seeds) in (0, self.wanted) else f"({len(self.seeds)})"

    def __str__(self) -> str:
        text = "--" if self.reproduced is None else self.reproduced.text(self.decimals)
        return f"{text} {self.count}".rstrip()


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
    return Grid(table, heads, _mark_best(heads, lines), tuple(problems), store.root)


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
    quantity, seeds = METRICS[head.column.metric], table.definition.seeds
    entry = Entry(
        table.value(row, head.column), None, (), len(seeds), "not implemented", absent=False,
        decimals=table.decimals(head.column), comparable=quantity.comparable,
    )  # fmt: skip
    if row.method is None:
        return entry
    found = _of(records, head, row, seeds)
    values = _values(found, quantity, table)
    if quantity.over is not None:
        first = _of(records, head, table.definition.rows[0], seeds)
        values = _ratios(found, first, values, _values(first, quantity, table))
    absent = len(found) < len(seeds)
    if not values:
        return replace(entry, status="no score" if found else "not run", absent=absent)
    if not head.protocol.exact:
        status = "proxy"
    elif len(values) < len(seeds):
        status = f"partial ({len(values)} of {len(seeds)} seeds)"
    else:
        status = "complete"
    estimate = mean_interval(list(values.values()))
    return replace(entry, reproduced=estimate, seeds=tuple(values), status=status, absent=absent)


def _of(records: dict[Cell, Record], head: Head, row: Row, seeds: list[int]) -> dict[int, Record]:
    if row.method is None:
        return {}
    cells = [head.cell(row.method, seed) for seed in seeds]
    return {cell.seed: records[cell] for cell in cells if cell in records}


def _values(found: dict[int, Record], quantity: Quantity, table: Table) -> dict[int, float]:
    """Return scores by seed; none where a run has no such epoch or the data no such classes."""
    read = {s: quantity.read(record, table.definition.select) for s, record in found.items()}
    return {seed: value for seed, value in read.items() if value is not None}


def _ratios(
    found: dict[int, Record],
    first: dict[int, Record],
    values: dict[int, float],
    base: dict[int, float],
) -> dict[int, float]:
    """Return the ratios to the first row's values of the same seed from the same machine."""
    return {
        seed: value / base[seed]
        for seed, value in values.items()
        if base.get(seed, 0) > 0 and _machine(found[seed]) == _machine(first[seed])
    }


def _machine(record: Record) -> tuple[str, int]:
    return record.environment.device, record.environment.threads


def _separated(head: Head, column: tuple[Entry, ...]) -> int | None:
    if not METRICS[head.column.metric].ranked:
        return None
    return separated_best([entry.reproduced for entry in column])


def _mark_best(
    heads: tuple[Head, ...], lines: tuple[tuple[Entry, ...], ...]
) -> tuple[tuple[Entry, ...], ...]:
    columns = zip(*lines, strict=True)
    best = [_separated(head, column) for head, column in zip(heads, columns, strict=True)]
    return tuple(
        tuple(replace(entry, best=best[column] == row) for column, entry in enumerate(entries))
        for row, entries in enumerate(lines)
    )


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
