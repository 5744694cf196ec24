"""Scores by seed: what the records of a row say in a column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from ltbench.data.profile import SHOTS
from ltbench.errors import LtbenchError, counted
from ltbench.evaluation.scores import Scores
from ltbench.evaluation.selection import Selection
from ltbench.runs.protocol import EXACT
from ltbench.runs.provenance import Provenance, joined, provenance_of
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.metrics import METRICS, Metric, scores_at
from ltbench.tables.relative_cost import TrainingTime, relative_cost, timing_of

SeedScores = dict[int, float]  # by seed


@dataclass(frozen=True)
class ResolvedColumn:
    """A column with everything but method and seed settled."""

    column: Column
    network: str
    protocol: str

    @classmethod
    def of(cls, table: Table, column: Column, protocol: str | None = None) -> "ResolvedColumn":
        """Return a table's column under its protocol, or another.

        Raises UsageError where the data set does not have that protocol.
        """
        return cls(column, table.network(column), table.protocol_name(column, protocol))

    @property
    def exact(self) -> bool:
        """Return whether it is the paper's own protocol, which alone confirms or contradicts."""
        return self.protocol in EXACT

    def method(self, row: TableRow) -> str | None:
        """Return the specification of a row's cells; None where nothing can run."""
        data = self.column.data
        return row.method_on(data) if data.available else None

    def cells(self, row: TableRow, seeds: Sequence[int]) -> list[Cell]:
        """Return the cells of a row; none where nothing can run."""
        method = self.method(row)
        if method is None:
            return []
        key = (self.column.dataset, self.protocol, self.network, method)
        return [Cell(*key, seed) for seed in seeds]


def entries(table: Table, protocol: str | None = None) -> Iterator[tuple[ResolvedColumn, TableRow]]:
    """Yield every row of every column of a table, column by column."""
    for column in table.definition.columns:
        resolved = ResolvedColumn.of(table, column, protocol)
        for row in table.definition.rows:
            yield resolved, row


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What tables need of a record, for thousands of whole ones would fill the memory."""

    values: dict[tuple[Metric, Selection], float]
    trained: str  # whose training it is read off
    timing: TrainingTime
    provenance: Provenance

    @classmethod
    def of(cls, record: Record) -> "RunSummary":
        """Return what tables need of a record: each metric by rule of selection, time, code."""
        values = {
            (metric, select): value
            for metric, quantity in METRICS.items()
            for select in Selection
            if (value := quantity.read(record, select)) is not None
        }
        return cls(values, record.trained, timing_of(record), provenance_of(record))


MARK = "T"  # behind the value of a method that reads all test images at once
READS_ALL = "reads all test images at once (transductive), which the other methods do not"


@dataclass
class Reader:
    """Reads each record of a store once.

    `problems` names the records that are left out, `remarks` what to know of those that are not.
    """

    store: Store
    problems: list[str] = field(default_factory=list)
    remarks: dict[str, None] = field(default_factory=dict)  # in their order, each once
    _reads_all: set[tuple[str, ...]] = field(default_factory=set)
    _read: dict[Cell, RunSummary | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.store.check_readable()

    def run(self, cell: Cell) -> RunSummary | None:
        """Return a cell's run, if there is a record that reads."""
        if cell not in self._read:
            record = self.record(cell)
            self._read[cell] = None if record is None else RunSummary.of(record)
            if record and record.transductive:
                self.remarks[f"{cell.method} on {cell.dataset} {READS_ALL} ({MARK})."] = None
                self._reads_all.add((cell.dataset, cell.protocol, cell.network, cell.method))
        return self._read[cell]

    def runs(self, cells: Sequence[Cell]) -> dict[int, RunSummary]:
        """Return the runs of one row and column by seed; none where no mean can be of them all."""
        each = ((cell.seed, self.run(cell)) for cell in cells)
        found = {seed: run for seed, run in each if run is not None}
        return found if self.joins(cells, {s: run.provenance for s, run in found.items()}) else {}

    def joins(self, cells: Sequence[Cell], computed: Mapping[int, Provenance]) -> bool:
        """Return whether a mean can be of seeds; say why not, and what to know of it."""
        if not cells:
            return True
        finding = joined(cells[0].method, cells[0].dataset, computed)
        if finding.refusal and finding.refusal not in self.problems:
            self.problems.append(finding.refusal)
        if finding.remark:
            self.remarks[finding.remark] = None
        return not finding.refusal

    def reads_all(
        self, dataset: str, protocol: str | None, network: str, *methods: str | None
    ) -> bool:
        """Return whether a run of one of the methods, of any seed, read all test images at once."""
        return any((dataset, protocol, network, method) in self._reads_all for method in methods)

    def record(self, cell: Cell) -> Record | None:
        """Return a cell's whole record, if there is one that reads."""
        try:
            record = self.store.read(cell)
        except LtbenchError as error:
            self.problems.append(str(error))
            return None
        if record is None:
            return None
        if Cell.of(record) != cell:
            path = self.store.path(cell)
            self.problems.append(f"{path} holds the record of another cell; move or delete it.")
            return None
        if record.data.skipped and cell.protocol in EXACT:
            left = counted(len(record.data.skipped), "training image")
            self.problems.append(
                f"{cell} is by a paper's protocol but left out {left} that did not read, and is "
                "left out; mend the images and train it again with --force."
            )
            return None
        return record


def scores(
    reader: Reader, table: Table, row: TableRow, resolved: ResolvedColumn, seeds: Sequence[int]
) -> SeedScores:
    """Return a row's scores; none of a run without such an epoch or of data without such classes.

    A relative cost is to the table's first row, of the same seed. Shot groups are the row's own,
    where what it reports takes others than the data set's.
    """
    key = resolved.column.metric, table.definition.select
    runs = reader.runs(resolved.cells(row, seeds))
    if thresholds_of(row, resolved.column.metric) is not None:
        records = (reader.record(cell) for cell in resolved.cells(row, list(runs)))
        found = ((record.seed, score_of(record, row, *key)) for record in records if record)
        return {seed: score for seed, score in found if score is not None}
    if METRICS[resolved.column.metric].over != "hours":  # of those, a record holds the values
        return {seed: run.values[key] for seed, run in runs.items() if key in run.values}
    first = reader.runs(resolved.cells(table.definition.rows[0], seeds))
    costs = {
        seed: relative_cost([runs[seed].timing], [first[seed].timing])
        for seed in runs
        if seed in first
    }
    return {seed: cost for seed, cost in costs.items() if cost is not None}


def score_of(record: Record, row: TableRow, metric: Metric, select: Selection) -> float | None:
    """Return a record's score, None where it has none; shot groups are the row's own, if any."""
    thresholds = thresholds_of(row, metric)
    if thresholds is not None:
        return _in_group(thresholds, metric, select, record)
    return METRICS[metric].read(record, select)


def thresholds_of(row: TableRow, metric: Metric) -> tuple[int, int] | None:
    """Return a row's own thresholds of the shot groups, None where a metric is of no group."""
    return row.thresholds if metric in SHOTS else None


def _in_group(
    thresholds: tuple[int, int], metric: Metric, select: Selection, record: Record
) -> float | None:
    """Return the mean accuracy of a shot group's classes, by thresholds; None if it has none."""
    scores = scores_at(record, select)
    if not isinstance(scores, Scores):  # of no epoch, or of average precisions
        return None
    classes = zip(record.shots(thresholds), scores.correct, scores.total, strict=True)
    found = [100 * correct / total for shot, correct, total in classes if shot == metric and total]
    return fmean(found) if found else None
