"""A plan for a table: what to run in which order, and what each number of seeds decides."""

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ltbench.planning.candidates import Candidate, candidates, judgements_now
from ltbench.planning.claims import PlannedClaim, planned_claims
from ltbench.planning.schedule import PlannedRun, SeedCount, order, seed_counts
from ltbench.planning.spread import SeedDeviations
from ltbench.registry.signatures import names
from ltbench.runs.commands import run_command
from ltbench.runs.cost import CostModel, PaidTrainings
from ltbench.runs.plan import Job
from ltbench.runs.recorded_cost import CostEstimate
from ltbench.runs.store import Store
from ltbench.runs.timing import StepTimer
from ltbench.runs.workspace import Workspace
from ltbench.statistics.pooling import Deviation
from ltbench.tables.cells import Reader
from ltbench.tables.definition import Table
from ltbench.tables.ledger_row import RowSource
from ltbench.tables.metrics import Metric
from ltbench.tables.missing import rows_left_out


@dataclass(frozen=True)
class Machine:
    """Where the runs would take place, and how busy it was when their steps were timed."""

    name: str
    load: float | None  # processes that wanted a core; None where the system does not say
    cores: int

    @classmethod
    def now(cls, name: str) -> "Machine":
        """Return this machine under the name that records give it."""
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
        return cls(name, load, os.cpu_count() or 1)


@dataclass(frozen=True)
class ColumnSpread:
    """How far seeds of a data set lie apart in a metric, and how many values are judged at once."""

    deviation: Deviation
    family: int  # the most of its columns
    methods: int  # that run, the fewest of its columns


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What to run of a table, in which order, at what cost, and what it would decide."""

    table: Table
    seeds: tuple[int, ...]
    budget: float | None  # seconds
    workspace: Workspace
    machine: Machine
    candidates: tuple[Candidate, ...]
    undecidable: int  # reported values that no run here can decide
    chosen: tuple[PlannedRun, ...]  # in order
    beyond: tuple[PlannedRun, ...]  # that do not fit the budget, or have no known cost
    seed_counts: tuple[SeedCount, ...]  # what n seeds take and decide, for n = 1, 2 …
    claims: tuple[tuple[PlannedClaim, CostEstimate], ...]  # and what deciding each costs by itself
    timed: int  # trainings whose steps were timed now
    remembered: int  # and by earlier commands
    spread: dict[tuple[str, Metric], ColumnSpread]  # by data set, network of several, and metric
    problems: tuple[str, ...]
    warnings: tuple[str, ...]  # of rows left out, and finished seeds that other code computed

    @property
    def targets(self) -> int:
        """Return how many reported values the planned runs can decide."""
        return sum(len(each.targets) for each in self.candidates)

    @property
    def decided(self) -> int:
        """Return how many of them hold or differ now."""
        return sum(target.now.decided for each in self.candidates for target in each.targets)


def plan(
    table: Table,
    seeds: Sequence[int],
    budget: float | None,
    protocol: str | None,
    *,
    at_least: int,
    timer: StepTimer,
) -> TablePlan:
    """Return the plan for a table, at least `at_least` seeds valued.

    Raises UsageError for a protocol or device that is not there, LtbenchError for a record that
    was made with other settings than now.
    """
    workspace = timer.workspace
    store = Store(workspace.results)
    records = list(store.records())
    deviations, costs = SeedDeviations(records), CostModel(records, timer)
    reader = Reader(store)
    candidates_for = partial(
        candidates, table, store, protocol=protocol, methods=names(), deviations=deviations,
        judgements=judgements_now(table, reader, seeds, protocol),
    )  # fmt: skip
    made, undecidable = candidates_for(seeds, wanted=len(seeds))
    others = (seed for seed in itertools.count() if seed not in seeds)
    more = [*seeds, *itertools.islice(others, max(at_least - len(seeds), 0))]
    wide, _ = candidates_for(more, wanted=0)
    source = RowSource(reader, names())
    claims = planned_claims(table, seeds, source, deviations) if protocol is None else []
    costs.expect([*_jobs(made), *_jobs(wide), *(job for each in claims for job in each.jobs)])
    chosen, beyond = order(made, seeds, PaidTrainings.of(_jobs(made), costs, store), budget)
    warnings = [words for each in made for words in each.warnings]
    counts = seed_counts(wide, PaidTrainings.of(_jobs(wide), costs, store))
    return TablePlan(
        table=table,
        seeds=tuple(seeds),
        budget=budget,
        workspace=workspace,
        machine=Machine.now(timer.machine),
        candidates=tuple(made),
        undecidable=undecidable,
        chosen=tuple(chosen),
        beyond=tuple(beyond),
        seed_counts=tuple(counts),
        timed=timer.timed,
        remembered=timer.remembered,
        claims=tuple(
            (each, PaidTrainings.of(each.jobs, costs, store).cost(each.jobs)) for each in claims
        ),
        spread=_spread(made, deviations),
        problems=tuple(dict.fromkeys([*store.problems, *reader.problems])),
        warnings=tuple(dict.fromkeys([*rows_left_out(table, names()), *warnings])),
    )


def _spread(
    made: Sequence[Candidate], deviations: SeedDeviations
) -> dict[tuple[str, Metric], ColumnSpread]:
    found: dict[tuple[str, Metric], ColumnSpread] = {}
    several = len({each.network for each in made}) > 1
    for candidate in made:
        data = candidate.data.info
        title = f"{data.title} ({candidate.network})" if several else data.title
        where = data.name, candidate.network, candidate.protocol
        for target in candidate.targets:
            metric = target.column.metric
            key = (title, metric)
            deviation = deviations.of(*where, metric)
            before = found.get(key, ColumnSpread(deviation, target.family, target.methods))
            found[key] = ColumnSpread(
                deviation, max(target.family, before.family), min(target.methods, before.methods)
            )
    return found


def commands(steps: Sequence[PlannedRun], workspace: Workspace) -> list[str]:
    """Return the commands of steps in their order; neighbours that differ in method share one."""

    def where(step: PlannedRun) -> tuple[Any, ...]:
        return step.candidate.data, step.candidate.network, step.candidate.protocol, step.seeds

    return [
        run_command([step.candidate.method for step in members], *key, results=workspace.results)
        for key, members in itertools.groupby(steps, where)
    ]


def _jobs(candidates: Sequence[Candidate]) -> list[Job]:
    return [job for each in candidates for jobs in each.jobs for job in jobs]
