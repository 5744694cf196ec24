"""What of a table can be run: by method and data set, its cells and the trainings they need."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ltbench.data.catalog import Dataset
from ltbench.planning.spread import SeedDeviations
from ltbench.planning.targets import Judgement, SeedValues, Target, there
from ltbench.registry.methods import build, describe, trained_part
from ltbench.registry.signatures import lacking
from ltbench.runs.plan import Job, make
from ltbench.runs.store import Store
from ltbench.statistics.estimates import ALPHA
from ltbench.statistics.power import NO_OTHERS, OtherSeeds
from ltbench.tables.cells import Reader, ResolvedColumn, entries, scores
from ltbench.tables.columns import is_wanted, judge_column, judged_rows, read_column
from ltbench.tables.definition import Column, Table
from ltbench.tables.ledger_row import judged_in
from ltbench.tables.metrics import METRICS


@dataclass(frozen=True)
class Candidate:
    """One method on one data set: the cells of a table that the same trainings fill."""

    method: str
    data: Dataset
    network: str
    protocol: str
    rows: tuple[str, ...]
    columns: Mapping[Column, SeedValues]  # whose deviation it helps to measure, judged or not
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

    def other_seeds(self, column: Column, n: int) -> OtherSeeds:
        """Return what its first n seeds will do for the deviation of a column."""
        if column not in self.columns or not any(self.jobs[:n]):
            return NO_OTHERS
        return OtherSeeds.of(there(self.columns[column][:n]), n)


def candidates(
    table: Table,
    store: Store,
    seeds: Sequence[int],
    *,
    protocol: str | None,
    methods: Collection[str],
    deviations: SeedDeviations,
    wanted: int,
    judgements: Mapping[tuple[str, Column], Judgement],
) -> tuple[list[Candidate], int]:
    """Return what can be run of a table, and how many of its reported values cannot be judged so.

    Those need a data set or a method that this version lacks, or are of no judged metric, of
    another protocol than the paper's, or of finished seeds whose records tables refuse. `wanted`
    seeds are what a value is judged on; `judgements` are those that `judgements_now` returns.
    """
    definition, reader, left = table.definition, Reader(store), 0
    found: dict[
        tuple[str, Dataset, str, str], tuple[list[str], dict[Column, SeedValues], list[Target]]
    ] = {}
    precision = _judged_in(table, store, protocol)
    measured = {
        each: trainings(
            (row.method_on(each.data) for row in definition.rows if is_wanted(table, row, each)),
            methods,
        )
        for each in definition.columns
    }
    for asked, row in entries(table, protocol):
        resolved = precision.get(asked.column, asked)
        column, method = resolved.column, resolved.method(row)
        reported = table.value(row, column)
        runs = method is not None and not lacking([method], methods)
        judged = table.judged_value(row, column) is not None
        able = resolved.exact and runs and judged
        tolerance = METRICS[column.metric].tolerance if able else None
        left += reported is not None and tolerance is None
        if method is None or not runs:
            continue
        have = scores(reader, table, row, resolved, seeds)
        if not have and not is_wanted(table, row, column):
            continue
        key = (method, column.data, resolved.network, resolved.protocol)
        labels, columns, targets = found.setdefault(key, ([], {}, []))
        labels.append(row.label)
        columns[column] = tuple(map(have.get, seeds))
        if reported is not None and tolerance is not None:
            where = column.data.info.name, resolved.network, resolved.protocol
            spread = deviations.of(*where, column.metric).points
            targets.append(Target(
                column, reported, tolerance, columns[column], spread,
                len(judged_rows(table, resolved)), measured[column], wanted,
                judgements.get((row.label, column), Judgement()),
            ))  # fmt: skip
    made = []
    for key, (labels, columns, targets) in found.items():
        jobs, warnings = _jobs(*key, seeds=seeds, store=store)
        readable = [each for each in targets if _readable(each, jobs)]
        left += len(targets) - len(readable)
        rows = tuple(dict.fromkeys(labels))
        made.append(Candidate(*key, rows, columns, tuple(readable), jobs, warnings))
    return _measuring_once(made), left


def _measuring_once(made: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates of which one of each training measures a column: that with most seeds.

    Methods read off one training err together: they are not several measurements.
    """
    trained = {each.method: describe(trained_part(build(each.method))) for each in made}
    first: dict[tuple[str, Column], str] = {}
    for each in sorted(made, key=lambda each: len(each.missing())):
        for column in each.columns:
            first.setdefault((trained[each.method], column), each.method)
    return [
        replace(each, columns={
            column: found for column, found in each.columns.items()
            if first[trained[each.method], column] == each.method
        })
        for each in made
    ]  # fmt: skip


def _readable(target: Target, jobs: Sequence[Sequence[Job]]) -> bool:
    """Return whether every finished seed has a score: a record that is refused has none."""
    return all(
        score is not None or missing for score, missing in zip(target.by_seed, jobs, strict=True)
    )


def _judged_in(table: Table, store: Store, protocol: str | None) -> dict[Column, ResolvedColumn]:
    """Return a table's columns in the precision that judges them; none under another protocol."""
    rows, columns = table.definition.rows, table.definition.columns
    return {} if protocol else {each: judged_in(table, each, rows, store) for each in columns}


def trainings(named: Iterable[str | None], methods: Collection[str]) -> int:
    """Return how many trainings those methods take that this version has; post-hoc parts none."""
    able = {each for each in named if each is not None and not lacking([each], methods)}
    return len({describe(trained_part(build(each))) for each in able})


def judgements_now(
    table: Table, reader: Reader, seeds: Sequence[int], protocol: str | None
) -> dict[tuple[str, Column], Judgement]:
    """Return by row's label and column what the rule says of each value in a table of these seeds.

    Only of those that have all these seeds.
    """
    asked = table.definition.model_copy(update={"seeds": list(seeds)})
    table = replace(table, definition=asked)
    found = {}
    precision = _judged_in(table, reader.store, protocol)
    for column in asked.columns:
        own = ResolvedColumn.of(table, column, protocol)
        read = read_column(reader, table, precision.get(column, own), asked.rows)
        family = judge_column(table, read)
        rejected = [
            each.p_holm
            for _, each in family.values()
            if each.p_holm is not None and each.p_holm <= ALPHA
        ]
        for label, (evidence, judged) in family.items():
            if evidence is not None and judged.p_holm is not None:
                smaller = sum(each < judged.p_holm for each in rejected)
                found[label, column] = Judgement(
                    judged.verdict.word in ("holds", "differs"),
                    evidence if read.deviations.shared else None,
                    ALPHA / (len(family) - smaller),
                )
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
