"""A column's methods together: what their seeds share, and verdicts on all their values at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from ltbench.statistics.gains import Gain, paired
from ltbench.statistics.pooling import Deviation, Deviations, block, pool, varies
from ltbench.statistics.verdict import Evidence, Judged, gain, judge, value
from ltbench.tables.cells import Reader, ResolvedColumn, SeedScores, scores
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.metrics import METRICS


def judged_rows(table: Table, resolved: ResolvedColumn) -> list[TableRow]:
    """Return the rows that report a value which records are judged against, run or not.

    They are the family of a column's verdicts: none where the protocol is not the paper's own or
    the metric has no tolerance.
    """
    column = resolved.column
    if not resolved.exact or METRICS[column.metric].tolerance is None or not column.data.available:
        return []
    return [
        row
        for row in table.definition.rows
        if row.method_on(column.data) is not None and table.judged_value(row, column) is not None
    ]


def is_wanted(table: Table, row: TableRow, column: Column) -> bool:
    """Return whether a run of a row belongs to the table on a column's data set and network.

    A paper's row need not run where the paper reports other rows alone, unless it is the first one,
    to which costs are relative. Rows and data sets of one's own, without reported values, do.
    """
    network, first = table.network(column), table.definition.rows[0]
    here = [
        each
        for each in table.definition.columns
        if each.data == column.data and table.network(each) == network
    ]
    if row == first and any(METRICS[each.metric].over == "hours" for each in here):
        return True
    return not all(_left_out(table, row, each) for each in here)


def not_run(table: Table, row: TableRow, column: Column) -> str:
    """Return the status of a cell without records: a paper may have left it out, too."""
    return "neither run nor reported" if _left_out(table, row, column) else "not run"


def _left_out(table: Table, row: TableRow, column: Column) -> bool:
    """Return whether the paper reports of a row and of a column, but nothing where they meet."""
    if table.value(row, column) is not None:
        return False
    of_row = any(table.value(row, each) is not None for each in table.definition.columns)
    of_column = any(table.value(each, column) is not None for each in table.definition.rows)
    return of_row and of_column


def read_column(
    reader: Reader, table: Table, resolved: ResolvedColumn, rows: Sequence[TableRow]
) -> "ColumnScores":
    """Return the scores of rows by method and seed, of the seeds that the table names."""
    wanted = table.definition.seeds
    found: dict[str, SeedScores] = {}
    trained: dict[str, str] = {}
    for row in rows:
        method = row.method_on(resolved.column.data)
        if method is not None and (values := scores(reader, table, row, resolved, wanted)):
            found[method] = values
            first, *_ = reader.runs(resolved.cells(row, list(values))).values()
            trained[method] = first.trained
    return ColumnScores(resolved, len(wanted), found, trained)


def judge_column(table: Table, found: "ColumnScores") -> dict[str, tuple[Evidence | None, Judged]]:
    """Return by label what the rows that can be judged are judged on, and the verdicts."""
    rows, column = judged_rows(table, found.resolved), found.resolved.column
    compared = []
    for row in rows:
        reported, method = table.judged_value(row, column), row.method_on(column.data)
        assert reported is not None
        assert method is not None
        compared.append(found.evidence(method, reported))
    labels = [row.label for row in rows]
    return dict(zip(labels, zip(compared, judge(compared), strict=True), strict=True))


@dataclass(frozen=True)
class ColumnScores:
    """The scores of a column's methods on the seeds that its table names."""

    resolved: ResolvedColumn
    wanted: int  # seeds that the table names
    scores: Mapping[str, SeedScores]  # by method, each with at least one seed
    trained: Mapping[str, str] = field(default_factory=dict)  # whose training a method is read off

    @cached_property
    def whole(self) -> list[str]:
        """Return the methods that have all seeds."""
        return [each for each, found in self.scores.items() if len(found) == self.wanted]

    @cached_property
    def deviations(self) -> Deviations:
        """Return the deviations of one seed of the trainings that have all seeds."""
        return self._deviations()

    def deviation(self, method: str) -> Deviation:
        """Return the deviation of one seed of a method that has scores.

        Beside the trainings that have all seeds: a method that has some does not change theirs.
        """
        return self._deviations(method).each[-1]

    def _training(self, method: str) -> str:
        return self.trained.get(method, method)

    def _beside(self, *methods: str) -> list[str]:
        """Return the first method of each other training that has all seeds, then these methods.

        Methods that are read off one training err together: they are not several measurements.
        """
        taken = set(map(self._training, methods))
        first: dict[str, str] = {}
        for each in self.whole:
            first.setdefault(self._training(each), each)
        return [*(each for training, each in first.items() if training not in taken), *methods]

    def _deviations(self, *methods: str) -> Deviations:
        return pool([list(self.scores[each].values()) for each in self._beside(*methods)])

    @property
    def tolerance(self) -> float | None:
        """Return the metric's tolerance; None where it is never judged."""
        return METRICS[self.resolved.column.metric].tolerance

    def evidence(self, method: str, reported: float) -> Evidence | None:
        """Return a reported value beside the method's scores; None where nothing can be said."""
        if self.tolerance is None or not self.resolved.exact or method not in self.scores:
            return None
        scores = list(self.scores[method].values())
        return value(reported, scores, self.tolerance, self.wanted, self.deviation(method))

    def differences(self, method: str, base: str) -> SeedScores:
        """Return the difference of two methods on each seed that both have."""
        ours, theirs = self.scores.get(method, {}), self.scores.get(base, {})
        return {seed: score - theirs[seed] for seed, score in ours.items() if seed in theirs}

    def gain(self, method: str, base: str) -> Gain | None:
        """Return the paired difference of two methods over the seeds that both have.

        Where the methods share one deviation and both have all seeds, it is analysed by blocks:
        what is left of a score beyond its method and its seed is measured on all trainings that
        have all seeds, not on this pair alone. Where they do not, this pair's own deviation counts,
        but none smaller than that. Two methods read off one training are only a pair.
        """
        gains = paired(list(self.differences(method, base).values()))
        if gains is None or gains.n < max(self.wanted, 2) or self._one_training(method, base):
            return gains
        *others, first, second = (self.scores[each] for each in self._beside(base, method))
        whole = [*(each for each in others if varies(each.values())), first, second]
        residual = block([[each[seed] for seed in sorted(first)] for each in whole])
        points = math.sqrt(2) * residual.points
        if self._deviations(base, method).shared:
            return replace(gains, deviation=points, freedom=residual.freedom)
        return replace(gains, deviation=max(gains.deviation, points))

    def _one_training(self, method: str, base: str) -> bool:
        return self._training(method) == self._training(base)

    def gain_evidence(
        self, method: str, base: str, reported: float, tolerance: float
    ) -> Evidence | None:
        """Return a reported gain beside ours; None where the two share no seed."""
        gained = self.gain(method, base)
        if gained is None or not self.resolved.exact:
            return None
        apart = (self.deviation(each).points for each in (method, base))
        noise = 0.0 if self._one_training(method, base) else math.hypot(*apart)
        return gain(reported, gained, noise, tolerance, self.wanted)
