"""The order in which to run a table: most decided cells for the time first, within a budget."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ltbench.runs.first_stage import is_kept
from ltbench.runs.plan import Job
from ltbench.runs.price import Basis, Price, Prices
from ltbench.runs.store import Store
from ltbench.tables.groups import Group


@dataclass(frozen=True)
class Step:
    """Seeds to run of one group."""

    group: Group
    seeds: tuple[int, ...]
    seconds: float | None
    basis: Basis
    reason: str  # why there is no price
    decided: float  # values more that are then decided, in the mean


@dataclass
class Basket:
    """What has been bought: a training, or a first stage, is paid for once."""

    prices: Prices
    trained: set[str]

    @classmethod
    def of(cls, made: Sequence[Group], prices: Prices, store: Store) -> "Basket":
        """Return what nobody pays for: trainings whose networks are kept in the store."""
        marks = {
            mark for each in made for jobs in each.jobs for job in jobs for mark in _marks(job)
        }
        return cls(prices, {mark for mark in marks if is_kept(mark, store)})

    def cost(self, jobs: Sequence[Job]) -> Price:
        """Return the price of jobs beyond what is bought; unknown if one of them is."""
        total, seen, worst = 0.0, set(self.trained), Price(0.0, "records")
        for job in jobs:
            price = self.prices.price(job)
            if price.seconds is None:
                return price
            worst = max(worst, price, key=lambda each: _TRUST.index(each.basis))
            if job.fingerprint in seen:
                continue
            total += price.seconds
            first = job.first_stage
            if first is not None and first.fingerprint in seen:
                total -= min(self.prices.price(first).seconds or 0.0, price.seconds)
            seen |= _marks(job)
        return Price(total, worst.basis)

    def buy(self, jobs: Sequence[Job]) -> None:
        """Count jobs as paid for."""
        for job in jobs:
            self.trained |= _marks(job)


_TRUST: tuple[Basis, ...] = ("records", "steps of records", "scaled probe", "probe", "unknown")


def order(
    made: Sequence[Group], seeds: Sequence[int], basket: Basket, budget: float | None
) -> tuple[list[Step], list[Step]]:
    """Return the steps to take within a budget in seconds, and those beyond it, in order.

    First what decides most values a second. A step takes a group to the number of seeds that is
    best value; what decides nothing goes by cost, and what has no price is beyond every budget.
    """
    have = {place: 0 for place, group in enumerate(made) if group.missing()}
    left = math.inf if budget is None else budget
    chosen: list[Step] = []
    while (found := _best(made, have, seeds, basket, left)) is not None:
        chosen.append(found)
        left -= found.seconds or 0.0
    beyond: list[Step] = []
    while (found := _best(made, have, seeds, basket, None)) is not None:
        beyond.append(found)
    return chosen, beyond


def _best(
    made: Sequence[Group],
    have: dict[int, int],
    seeds: Sequence[int],
    basket: Basket,
    left: float | None,
) -> Step | None:
    """Buy the best step that costs at most `left`, or any, and return it; None if there is none.

    `have` says how many of its missing seeds each group has got by now.
    """
    options = [
        (place, step)
        for place, added in have.items()
        for step in _options(made[place], added, seeds, basket)
        if left is None or (step.seconds is not None and step.seconds <= left)
    ]
    if not options:
        return None
    place, best = min(options, key=lambda option: _rank(option[1]))
    group, bought = made[place], have[place] + len(best.seeds)
    missing = group.missing()
    basket.buy([job for at in missing[have[place] : bought] for job in group.jobs[at]])
    have[place] = bought
    if bought == len(missing):
        del have[place]
    return best


def _options(group: Group, added: int, seeds: Sequence[int], basket: Basket) -> Iterator[Step]:
    missing = group.missing()
    for upto in range(added + 1, len(missing) + 1):
        places = missing[added:upto]
        price = basket.cost([job for place in places for job in group.jobs[place]])
        gain = group.chance(upto) - group.chance(added)
        if gain > 0 or upto == len(missing):
            named = tuple(seeds[place] for place in places)
            yield Step(group, named, price.seconds, price.basis, price.reason, gain)


def _rank(step: Step) -> tuple[bool, float, float]:
    if step.seconds is None:
        return True, -step.decided, 0.0
    return False, -step.decided / max(step.seconds, 1e-9), step.seconds


def _marks(job: Job) -> set[str]:
    first = job.first_stage
    return {job.fingerprint} | ({first.fingerprint} if first is not None else set())


@dataclass(frozen=True)
class Worth:
    """What it takes to have n seeds everywhere, and how many values are decided then."""

    n: int
    seconds: float  # beyond what is there
    more: bool  # whether there are trainings besides that have no price
    decided: float


def worth(made: Sequence[Group], basket: Basket) -> list[Worth]:
    """Return what each number of seeds costs and decides, from the first to all."""
    found: list[Worth] = []
    spent, more = 0.0, False
    for n in range(1, max((len(group.jobs) for group in made), default=0) + 1):
        for group in made:
            jobs = group.jobs[n - 1]
            price = basket.cost(jobs).seconds
            spent, more = spent + (price or 0.0), more or price is None
            basket.buy(jobs)
        decided = sum(each.chance(max(n, group.finished)) for group in made for each in group.asked)
        found.append(Worth(n, spent, more, decided))
    return found
