"""The order in which to run a table: most decided cells for the time first, within a budget."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ltbench.planning.candidates import Candidate
from ltbench.runs.cost import PaidTrainings
from ltbench.runs.recorded_cost import Basis
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
    best value; what decides nothing goes by cost; one without a known cost is beyond every budget.
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
        self._rows: Counter[Column] = Counter()  # that have got all their seeds by now

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
            self._rows.update(candidate.columns)
        return best

    def _options(self, index: int) -> Iterator[PlannedRun]:
        candidate, added = self._made[index], self._have[index]
        missing = candidate.missing()
        for upto in range(added + 1, len(missing) + 1):
            at = missing[added:upto]
            cost = self._paid.cost([job for position in at for job in candidate.jobs[position]])
            gain = candidate.chance(upto) - candidate.chance(added)
            if upto == len(missing):
                gain += self._of_others(candidate)
            if gain > 0 or upto == len(missing):
                named = tuple(self._seeds[position] for position in at)
                yield PlannedRun(candidate, named, cost.seconds, cost.basis, cost.reason, gain)

    def _of_others(self, candidate: Candidate) -> float:
        """Return how many values more of rows with all seeds are decided when this one has them."""
        n = len(self._seeds)
        return sum(
            target.chance(n, self._rows[target.column] + 1)
            - target.chance(n, self._rows[target.column])
            for other in self._made
            if not other.missing()
            for target in other.targets
            if target.column in candidate.columns
        )


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
        rows = Counter(column for each in made if any(each.jobs[:n]) for column in each.columns)
        decided = sum(
            target.chance(n, rows[target.column]) for each in made for target in each.targets
        )
        found.append(SeedCount(n, spent, more, decided))
    return found
