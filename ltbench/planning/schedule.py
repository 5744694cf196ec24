"""The order in which to run a table: most decided cells for the time first, within a budget."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ltbench.planning.candidates import Candidate
from ltbench.runs.cost import PaidTrainings
from ltbench.runs.recorded_cost import Basis
from ltbench.statistics.power import NO_OTHERS, OtherSeeds
from ltbench.tables.definition import Column


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
    best value; what decides nothing, or undoes more than that, goes by cost; one without a known
    cost is beyond every budget.
    """
    schedule = _Schedule(made, seeds, paid)
    left = math.inf if budget is None else budget
    chosen: list[PlannedRun] = []
    while (found := schedule.buy(left)) is not None:
        chosen.append(found)
        left -= found.seconds or 0.0
    beyond: list[PlannedRun] = []
    while (found := schedule.buy(None)) is not None:
        beyond.append(found)
    return chosen, beyond


class _Schedule:
    """What has been bought by now, and what that decides."""

    def __init__(
        self, made: Sequence[Candidate], seeds: Sequence[int], paid: PaidTrainings
    ) -> None:
        self._made, self._seeds, self._paid = made, seeds, paid
        # By candidate how many of its missing seeds it has got; not those that have all.
        self._have = {index: 0 for index, each in enumerate(made) if each.missing()}
        # By column what those that have got all their seeds by now measure of its deviation.
        self._others: defaultdict[Column, OtherSeeds] = defaultdict(OtherSeeds)

    def buy(self, left: float | None) -> PlannedRun | None:
        """Buy the best step that costs at most `left`, or any, and return it; None without one."""
        options = [
            (index, step)
            for index in self._have
            for step in self._options(index)
            if left is None or (step.seconds is not None and step.seconds <= left)
        ]
        if not options:
            return None
        index, best = min(options, key=lambda option: _rank(option[1]))
        candidate, bought = self._made[index], self._have[index] + len(best.seeds)
        missing = candidate.missing()
        at = missing[self._have[index] : bought]
        self._paid.buy([job for position in at for job in candidate.jobs[position]])
        self._have[index] = bought
        if bought == len(missing):
            del self._have[index]
            for column in candidate.columns:
                self._others[column] += candidate.other_seeds(column, len(self._seeds))
        return best

    def _options(self, index: int) -> Iterator[PlannedRun]:
        candidate, added = self._made[index], self._have[index]
        missing = candidate.missing()
        for upto in range(added + 1, len(missing) + 1):
            at = missing[added:upto]
            cost = self._paid.cost([job for position in at for job in candidate.jobs[position]])
            gain = candidate.chance(upto) - candidate.chance(added)
            if upto == len(missing):
                gain += self._gain_of_others(candidate)
            if gain > 0 or upto == len(missing):
                named = tuple(self._seeds[position] for position in at)
                yield PlannedRun(candidate, named, cost.seconds, cost.basis, cost.reason, gain)

    def _gain_of_others(self, candidate: Candidate) -> float:
        """Return how many values more are decided, of rows whole today, once this one is whole."""
        n, gain = len(self._seeds), 0.0
        for other in self._made:
            for target in other.targets if not other.missing() else ():
                before = self._others[target.column]
                after = before + candidate.other_seeds(target.column, n)
                gain += target.chance(n, after) - target.chance(n, before)
        return gain


def _rank(step: PlannedRun) -> tuple[bool, float, float]:
    if step.seconds is None:
        return True, -step.decided, 0.0
    return False, min(0.0, -step.decided / max(step.seconds, 1e-9)), step.seconds


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
        decided = sum(
            target.first(n).chance(n, _others(made, target.column, n))
            for candidate in made
            for target in candidate.targets
        )
        found.append(SeedCount(n, spent, more, decided))
    return found


def _others(made: Sequence[Candidate], column: Column, n: int) -> OtherSeeds:
    return sum((each.other_seeds(column, n) for each in made), NO_OTHERS)
