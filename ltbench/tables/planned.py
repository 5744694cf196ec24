"""A plan for a table: what to run in which order, and what each number of seeds is worth."""

import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ltbench.runs.commands import run_command
from ltbench.runs.execute import Place
from ltbench.runs.price import Prices
from ltbench.runs.store import Store
from ltbench.tables.budget import Basket, Step, Worth, order, worth
from ltbench.tables.definition import Table
from ltbench.tables.groups import Group, groups
from ltbench.tables.metrics import Metric
from ltbench.tables.missing import implemented
from ltbench.tables.worth import Deviation, Deviations


@dataclass(frozen=True)
class Planned:
    """What a plan says."""

    table: Table
    seeds: tuple[int, ...]
    budget: float | None  # seconds
    machine: str
    load: float | None  # processes that wanted a core, when all was timed; None if not known
    cores: int
    place: Place
    groups: tuple[Group, ...]
    left: int  # reported values that no run here can decide
    chosen: tuple[Step, ...]  # in order
    beyond: tuple[Step, ...]  # that do not fit the budget, or have no price
    worth: tuple[Worth, ...]  # by the number of seeds
    deviations: dict[tuple[str, Metric], Deviation]  # by data set and metric
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
    place: Place,
    *,
    at_least: int,
    say: Callable[[str], None],
) -> Planned:
    """Return the plan for a table; `say` hears what is timed, `at_least` seeds are valued.

    Raises UsageError for a protocol or device that is not there, LtbenchError for a record that
    was made with other settings than now.
    """
    store = Store(place.results)
    records = list(store.records())
    deviations, prices = Deviations(records), Prices(records, place, say)
    given: Any = {"protocol": protocol, "methods": implemented(), "deviations": deviations}
    made, left = groups(table, store, seeds, **given)
    others = (seed for seed in itertools.count() if seed not in seeds)
    more = [*seeds, *itertools.islice(others, max(at_least - len(seeds), 0))]
    wide = groups(table, store, more, **given)[0]
    chosen, beyond = order(made, seeds, Basket.of(made, prices, store), budget)
    used = {
        (group.data.info.title, each.metric): deviations.of(group.data.info.name, each.metric)
        for group in made
        for each in group.asked
    }
    return Planned(
        table, tuple(seeds), budget, prices.machine, *_load(), place, tuple(made), left,
        tuple(chosen), tuple(beyond), tuple(worth(wide, Basket.of(wide, prices, store))), used,
        tuple(store.problems),
    )  # fmt: skip


def commands(steps: Sequence[Step], place: Place) -> list[str]:
    """Return the commands of steps in their order; neighbours that differ in method share one."""

    def where(step: Step) -> tuple[Any, ...]:
        return step.group.data, step.group.network, step.group.protocol, step.seeds

    return [
        run_command([step.group.method for step in members], *key, results=place.results)
        for key, members in itertools.groupby(steps, where)
    ]


def _load() -> tuple[float | None, int]:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return load, os.cpu_count() or 1
