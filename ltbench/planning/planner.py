"""A plan for a table: what to run in which order, and what each number of seeds is worth."""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ltbench.api.signatures import names
from ltbench.planning.candidates import Candidate, groups
from ltbench.planning.schedule import PlannedRun, SeedCount, order, worth
from ltbench.planning.spread import Deviation, Deviations
from ltbench.runs.commands import run_command
from ltbench.runs.cost import CostModel, PaidTrainings
from ltbench.runs.execute import Workspace
from ltbench.runs.plan import Job
from ltbench.runs.store import Store
from ltbench.tables.definition import Table
from ltbench.tables.metrics import Metric


@dataclass(frozen=True)
class TablePlan:
    """What a plan says."""

    table: Table
    seeds: tuple[int, ...]
    budget: float | None  # seconds
    machine: str
    load: float | None  # processes that wanted a core, when all was timed; None if not known
    cores: int
    workspace: Workspace
    groups: tuple[Candidate, ...]
    left: int  # reported values that no run here can decide
    chosen: tuple[PlannedRun, ...]  # in order
    beyond: tuple[PlannedRun, ...]  # that do not fit the budget, or have no price
    worth: tuple[SeedCount, ...]  # by the number of seeds
    deviations: dict[tuple[str, Metric], Deviation]  # by data set and metric
    families: dict[tuple[str, Metric], int]  # most values of a column that are judged together
    problems: tuple[str, ...]

    @property
    def asked(self) -> int:
        """Return how many reported values the planned runs can decide."""
        return sum(len(group.asked) for group in self.groups)

    @property
    def decided(self) -> float:
        """Return how many are decided now."""
        return sum(group.chance(0) for group in self.groups)


def plan(
    table: Table,
    seeds: Sequence[int],
    budget: float | None,
    protocol: str | None,
    workspace: Workspace,
    *,
    at_least: int,
    say: Callable[[str], None],
) -> TablePlan:
    """Return the plan for a table; `say` hears what is timed, `at_least` seeds are valued.

    Raises UsageError for a protocol or device that is not there, LtbenchError for a record that
    was made with other settings than now.
    """
    store = Store(workspace.results)
    records = list(store.records())
    deviations, prices = Deviations(records), CostModel(records, workspace, say)
    candidates = partial(
        groups, table, store, protocol=protocol, methods=names(), deviations=deviations
    )
    made, left = candidates(seeds, wanted=len(seeds))
    others = (seed for seed in itertools.count() if seed not in seeds)
    more = [*seeds, *itertools.islice(others, max(at_least - len(seeds), 0))]
    wide, _ = candidates(more, wanted=0)
    chosen, beyond = order(made, seeds, PaidTrainings.of(_jobs(made), prices, store), budget)
    used = {
        (group.data.info.title, each.metric): deviations.of(group.data.info.name, each.metric)
        for group in made
        for each in group.asked
    }
    families: dict[tuple[str, Metric], int] = {}
    for group in made:
        for each in group.asked:
            key = (group.data.info.title, each.metric)
            families[key] = max(each.family, families.get(key, 0))
    return TablePlan(
        table, tuple(seeds), budget, prices.machine, *_load(), workspace, tuple(made), left,
        tuple(chosen), tuple(beyond),
        tuple(worth(wide, PaidTrainings.of(_jobs(wide), prices, store))),
        used, families, tuple(store.problems),
    )  # fmt: skip


def commands(steps: Sequence[PlannedRun], workspace: Workspace) -> list[str]:
    """Return the commands of steps in their order; neighbours that differ in method share one."""

    def where(step: PlannedRun) -> tuple[Any, ...]:
        return step.group.data, step.group.network, step.group.protocol, step.seeds

    return [
        run_command([step.group.method for step in members], *key, results=workspace.results)
        for key, members in itertools.groupby(steps, where)
    ]


def _jobs(candidates: Sequence[Candidate]) -> list[Job]:
    return [job for each in candidates for jobs in each.jobs for job in jobs]


def _load() -> tuple[float | None, int]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return load, os.cpu_count() or 1
