"""The order in which to run a table: most decided cells for the time first, within a budget."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ltbench.planning.candidates import Candidate
from ltbench.runs.cost import PaidTrainings
from ltbench.runs.recorded_cost import Basis


@dataclass(frozen=True)
class PlannedRun:
    """Seeds to run of one candidate."""

    candidate: Candidate
    seeds: tuple[int, ...]
    seconds: float | None
    basis: Basis
    reason: str  # why there is no known cost
    decided: float  # values more that are then decided, in the mean


def order(
    made: Sequence[Candidate], seeds: Sequence[int], paid: PaidTrainings, budget: float | None
) -> tuple[list[PlannedRun], list[PlannedRun]]:
    """Return the steps to take within a budget in seconds, and those beyond it, in order.

    First what decides most values a second. A step takes a candidate to the number of seeds that is
    best value; what decides nothing goes by cost; one without a known cost is beyond every budget.
    """
    have = {index: 0 for index, candidate in enumerate(made) if candidate.missing()}
    left = math.inf if budget is None else budget
    chosen: list[PlannedRun] = []
    while (found := _best(made, have, seeds, paid, left)) is not None:
        chosen.append(found)
        left -= found.seconds or 0.0
    beyond: list[PlannedRun] = []
    while (found := _best(made, have, seeds, paid, None)) is not None:
        beyond.append(found)
    return chosen, beyond


def _best(
    made: Sequence[Candidate],
    have: dict[int, int],
    seeds: Sequence[int],
    paid: PaidTrainings,
    left: float | None,
) -> PlannedRun | None:
    """Buy the best step that costs at most `left`, or any, and return it; None if there is none.

    `have` says how many of its missing seeds each candidate has got by now.
    """
    options = [
        (index, step)
        for index, added in have.items()
        for step in _options(made[index], added, seeds, paid)
        if left is None or (step.seconds is not None and step.seconds <= left)
    ]
    if not options:
        return None
    index, best = min(options, key=lambda option: _rank(option[1]))
    candidate, bought = made[index], have[index] + len(best.seeds)
    missing = candidate.missing()
    paid.buy([job for at in missing[have[index] : bought] for job in candidate.jobs[at]])
    have[index] = bought
    if bought == len(missing):
        del have[index]
    return best


def _options(
    candidate: Candidate, added: int, seeds: Sequence[int], paid: PaidTrainings
) -> Iterator[PlannedRun]:
    missing = candidate.missing()
    for upto in range(added + 1, len(missing) + 1):
        indices = missing[added:upto]
        cost = paid.cost([job for index in indices for job in candidate.jobs[index]])
        gain = candidate.chance(upto) - candidate.chance(added)
        if gain > 0 or upto == len(missing):
            named = tuple(seeds[index] for index in indices)
            yield PlannedRun(candidate, named, cost.seconds, cost.basis, cost.reason, gain)


def _rank(step: PlannedRun) -> tuple[bool, float, float]:
    if step.seconds is None:
        return True, -step.decided, 0.0
    return False, -step.decided / max(step.seconds, 1e-9), step.seconds


@dataclass(frozen=True)
class SeedCount:
    """The seconds that n seeds of every candidate take, and the number of values decided then."""

    n: int
    seconds: float  # beyond what is there
    more: bool  # whether there are trainings besides that have no known cost
    decided: float


def seed_counts(made: Sequence[Candidate], paid: PaidTrainings) -> list[SeedCount]:
    """Return for n = 1 … N seeds of every candidate the seconds and the values they decide."""
    found: list[SeedCount] = []
    spent, more = 0.0, False
    for n in range(1, max((len(candidate.jobs) for candidate in made), default=0) + 1):
        for candidate in made:
            jobs = candidate.jobs[n - 1]
            cost = paid.cost(jobs).seconds
            spent, more = spent + (cost or 0.0), more or cost is None
            paid.buy(jobs)
        decided = sum(target.chance(n) for candidate in made for target in candidate.targets)
        found.append(SeedCount(n, spent, more, decided))
    return found
