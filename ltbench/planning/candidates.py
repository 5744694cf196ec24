"""What of a table can be run: by method and data set, its cells and the trainings they need."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from ltbench.data.catalog import Dataset
from ltbench.planning.spread import DatasetDeviations
from ltbench.registry.signatures import lacking
from ltbench.runs.plan import Job, make
from ltbench.runs.store import Store
from ltbench.statistics.power import chance, chance_with_more_rows
from ltbench.statistics.verdict import Evidence
from ltbench.tables.cells import Reader, ResolvedColumn, entries, scores
from ltbench.tables.columns import judge_column, judged_rows, read_column
from ltbench.tables.definition import Column, Table
from ltbench.tables.metrics import METRICS


@dataclass(frozen=True)
class Judgement:
    """What the ledger's rule says of a reported value now."""

    decided: bool = False  # whether it holds or differs
    shared: Evidence | None = None  # with all its seeds, where its column shares one deviation


@dataclass(frozen=True)
class Target:
    """A reported value that the rule can judge, and the scores there are by now."""

    column: Column
    reported: float
    tolerance: float
    scores: tuple[float, ...]
    deviation: float
    family: int  # values of its column that are judged together
    wanted: int  # seeds that its table names: with fewer nothing is judged
    now: Judgement = Judgement()

    def chance(self, n: int, rows: int = 0) -> float:
        """Return the probability that it is decided at n seeds; up to those there are, whether.

        `rows` more of its column have all their seeds by then: they measure the deviation that the
        column shares, by which a value may be decided that has all its seeds.
        """
        if self.now.shared is not None and n == self.now.shared.n and rows:
            return chance_with_more_rows(self.now.shared, rows * (n - 1), self.family)
        if n <= len(self.scores):
            return float(self.now.decided)
        if n < self.wanted:
            return 0.0
        return chance(
            self.reported, self.tolerance, self.scores, n, deviation=self.deviation,
            family=self.family,
        )  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """One method on one data set: the cells of a table that the same trainings fill."""

    method: str
    data: Dataset
    network: str
    protocol: str
    rows: tuple[str, ...]
    columns: frozenset[Column]  # of the table, that pool its deviation, judged there or not
    targets: tuple[Target, ...]
    jobs: tuple[tuple[Job, ...], ...]  # by seed, in their order; none where a record is there
    warnings: tuple[str, ...] = ()  # of finished seeds that other code computed

    @property
    def finished(self) -> int:
        """Return how many of the seeds have a record."""
        return sum(not jobs for jobs in self.jobs)

    def chance(self, added: int) -> float:
        """Return the expected number of its values that `added` more seeds decide."""
        return sum(each.chance(self.finished + added) for each in self.targets)

    def missing(self) -> list[int]:
        """Return the positions of the seeds that have no record."""
        return [index for index, jobs in enumerate(self.jobs) if jobs]


def candidates(
    table: Table,
    store: Store,
    seeds: Sequence[int],
    *,
    protocol: str | None,
    methods: Collection[str],
    deviations: DatasetDeviations,
    wanted: int,
    judgements: Mapping[tuple[str, Column], Judgement],
) -> tuple[list[Candidate], int]:
    """Return what can be run of a table, and how many of its reported values cannot be judged so.

    Those need a data set or a method that this version lacks, or are of no judged metric, or of
    another protocol than the paper's. `wanted` seeds are what a value is judged on; `judgements`
    are those that `judgements_now` returns.
    """
    reader, left = Reader(store), 0
    found: dict[tuple[str, Dataset, str, str], tuple[list[str], set[Column], list[Target]]] = {}
    for resolved, row in entries(table, protocol):
        column, method = resolved.column, resolved.method(row)
        reported = table.value(row, column)
        runs = method is not None and not lacking([method], methods)
        judged = table.judged_value(row, column) is not None
        able = resolved.exact and runs and judged
        tolerance = METRICS[column.metric].tolerance if able else None
        left += reported is not None and tolerance is None
        if method is None or not runs:
            continue
        key = (method, column.data, resolved.network, resolved.protocol)
        labels, columns, targets = found.setdefault(key, ([], set(), []))
        labels.append(row.label)
        columns.add(column)
        if reported is not None and tolerance is not None:
            have = tuple(scores(reader, table, row, resolved, seeds).values())
            spread = deviations.of(column.data.info.name, column.metric).points
            family = len(judged_rows(table, resolved))
            now = judgements.get((row.label, column), Judgement())
            targets.append(Target(column, reported, tolerance, have, spread, family, wanted, now))
    made = [
        Candidate(
            *key,
            tuple(dict.fromkeys(labels)),
            frozenset(columns),
            tuple(targets),
            *_jobs(*key, seeds=seeds, store=store),
        )
        for key, (labels, columns, targets) in found.items()
    ]
    return made, left


def judgements_now(
    table: Table, reader: Reader, seeds: Sequence[int], protocol: str | None
) -> dict[tuple[str, Column], Judgement]:
    """Return by row's label and column what the rule says of each value in a table of these seeds.

    Only of those that have all these seeds.
    """
    asked = table.definition.model_copy(update={"seeds": list(seeds)})
    table = replace(table, definition=asked)
    found = {}
    for column in asked.columns:
        read = read_column(reader, table, ResolvedColumn.of(table, column, protocol), asked.rows)
        for label, (evidence, judged) in judge_column(table, read).items():
            if evidence is not None and evidence.judged:
                decided = judged.verdict.word in ("holds", "differs")
                shared = evidence if read.deviations.shared else None
                found[label, column] = Judgement(decided, shared)
    return found


def _jobs(
    method: str,
    data: Dataset,
    network: str,
    protocol: str,
    *,
    seeds: Sequence[int],
    store: Store,
) -> tuple[tuple[tuple[Job, ...], ...], tuple[str, ...]]:
    """Return the trainings of each seed, and the warnings on those that are finished."""
    made = make([data], [method], seeds, store, protocol_name=protocol, network=network)
    by_seed = tuple(tuple(job for job in made.jobs if job.seed == seed) for seed in seeds)
    return by_seed, made.warnings
