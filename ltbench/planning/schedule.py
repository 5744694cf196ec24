"""The order in which to run a table: most decided cells for the time first, within a budget."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ltbench.planning.candidates import Candidate
from ltbench.runs.cost import Basis, PaidTrainings


@dataclass(frozen=True)
class PlannedRun:
    """Seeds to run of one group."""

    group: Candidate
    seeds: tuple[int, ...]
    seconds: float | None
    basis: Basis
    reason: str  # why there is no price
    decided: float  # values more that are then decided, in the mean


def order(
    made: Sequence[Candidate], seeds: Sequence[int], basket: PaidTrainings, budget: float | None
) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """Return the steps to take within a budget in seconds, and those beyond it, in order.

    First what decides most values a second. A step takes a group to the number of seeds that is
    best value; what decides nothing goes by cost, and what has no price is beyond every budget.
    """
    have = {index: 0 for index, group in enumerate(made) if group.missing()}
    left = math.inf if budget is None else budget
    chosen: list[PlannedRun] = []
    while (found := _best(made, have, seeds, basket, left)) is not None:
        chosen.append(found)
        left -= found.seconds or 0.0
    beyond: list[PlannedRun] = []
    while (found := _best(made, have, seeds, basket, None)) is not None:
        beyond.append(found)
    return chosen, beyond


def _best(
    made: Sequence[Candidate],
    have: dict[int, int],
    seeds: Sequence[int],
    basket: PaidTrainings,
    left: float | None,
) -> PlannedRun | None:
    """Buy the best step that costs at most `left`, or any, and return it; None if there is none.

    `have` says how many of its missing seeds each group has got by now.
    """
    options = [
        (index, step)
        for index, added in have.items()
        for step in _options(made[index], added, seeds, basket)
        if left is None or (step.seconds is not None and step.seconds <= left)
    ]
    if not options:
        return None
    index, best = min(options, key=lambda option: _rank(option[1]))
    group, bought = made[index], have[index] + len(best.seeds)
    missing = group.missing()
    basket.buy([job for at in missing[have[index] : bought] for job in group.jobs[at]])
    have[index] = bought
    if bought == len(missing):
        del have[index]
    return best


def _options(
    group: Candidate, added: int, seeds: Sequence[int], basket: PaidTrainings
) -> Iterator[PlannedRun]:
    missing = group.missing()
    for upto in range(added + 1, len(missing) + 1):
        places = missing[added:upto]
        price = basket.cost([job for index in places for job in group.jobs[index]])
        gain = group.chance(upto) - group.chance(added)
        if gain > 0 or upto == len(missing):
            named = tuple(seeds[index] for index in places)
            yield PlannedRun(group, named, price.seconds, price.basis, price.reason, gain)


def _rank(step: PlannedRun) -> tuple[bool, float, float]:
    if step.seconds is None:
        return True, -step.decided, 0.0
    return False, -step.decided / max(step.seconds, 1e-9), step.seconds


@dataclass(frozen=True)
class SeedCount:
    """What it takes to have n seeds everywhere, and how many values are decided then."""

    n: int
    seconds: float  # beyond what is there
    more: bool  # whether there are trainings besides that have no price
    decided: float


def worth(made: Sequence[Candidate], basket: PaidTrainings) -> list[SeedCount]:
    """Return for n = 1 … N seeds of every candidate the seconds and the values they decide."""
    found: list[SeedCount] = []
    spent, more = 0.0, False
    for n in range(1, max((len(group.jobs) for group in made), default=0) + 1):
        for group in made:
            jobs = group.jobs[n - 1]
            price = basket.cost(jobs).seconds
            spent, more = spent + (price or 0.0), more or price is None
            basket.buy(jobs)
        decided = sum(each.chance(max(n, group.finished)) for group in made for each in group.asked)
        found.append(SeedCount(n, spent, more, decided))
    return found
