"""Scores by seed: what the records of a row say in a column."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ltbench.errors import LtbenchError
from ltbench.runs.protocol import PAPER
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store
from ltbench.tables.definition import Column, Row, Table
from ltbench.tables.metrics import METRICS

Scores = dict[int, float]  # by seed


@dataclass(frozen=True)
class Head:
    """A column with everything but method and seed settled."""

    column: Column
    network: str
    protocol: str

    @property
    def exact(self) -> bool:
        """Return whether it is the paper's own protocol, which alone confirms or contradicts."""
        return self.protocol == PAPER

    def cells(self, row: Row, seeds: Sequence[int]) -> list[Cell]:
        """Return the cells of a row; none where nothing can run."""
        data = self.column.data
        method = row.method_on(data) if data.available else None
        if method is None:
            return []
        place = (self.column.dataset, self.protocol, self.network, method)
        return [Cell(*place, seed) for seed in seeds]


@dataclass
class Reader:
    """Reads each record of a store once; `problems` names those that do not read."""

    store: Store
    problems: list[str] = field(default_factory=list)
    _read: dict[Cell, Record | None] = field(default_factory=dict)

    def record(self, cell: Cell) -> Record | None:
        """Return a cell's record, if there is one that reads."""
        if cell not in self._read:
            self._read[cell] = self._record(cell)
        return self._read[cell]

    def records(self, cells: Sequence[Cell]) -> dict[int, Record]:
        """Return the records of one row and column by seed."""
        found = ((cell.seed, self.record(cell)) for cell in cells)
        return {seed: record for seed, record in found if record is not None}

    def _record(self, cell: Cell) -> Record | None:
        try:
            record = self.store.read(cell)
        except LtbenchError as error:
            self.problems.append(str(error))
            return None
        if record is None or Cell.of(record) == cell:
            return record
        path = self.store.path(cell)
        self.problems.append(f"{path} holds the record of another cell; move or delete it.")
        return None


def scores(reader: Reader, table: Table, row: Row, head: Head, seeds: Sequence[int]) -> Scores:
    """Return a row's scores; none of a run without such an epoch or of data without such classes.

    A ratio is to the table's first row, of the same seed and from the same machine.
    """
    found = reader.records(head.cells(row, seeds))
    values = _values(found, table, head)
    if METRICS[head.column.metric].over is None:
        return values
    first = reader.records(head.cells(table.definition.rows[0], seeds))
    base = _values(first, table, head)
    return {
        seed: value / base[seed]
        for seed, value in values.items()
        if base.get(seed, 0) > 0 and _machine(found[seed]) == _machine(first[seed])
    }


def _values(found: dict[int, Record], table: Table, head: Head) -> Scores:
    read, select = METRICS[head.column.metric].read, table.definition.select
    values = ((seed, read(record, select)) for seed, record in found.items())
    return {seed: value for seed, value in values if value is not None}


def _machine(record: Record) -> tuple[str, int]:
    return record.environment.device, record.environment.threads
