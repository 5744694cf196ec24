"""The order in which to run a table: most decided cells for the time first, within a budget."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ltbench.data.catalog import Dataset
from ltbench.runs.first_stage import is_kept
from ltbench.runs.plan import Job, make
from ltbench.runs.price import Basis, Price, Prices
from ltbench.runs.store import Store
from ltbench.specification import parse
from ltbench.tables.definition import Table
from ltbench.tables.metrics import METRICS, Metric
from ltbench.tables.scores import Head, Reader, scores
from ltbench.tables.worth import Deviations, chance


@dataclass(frozen=True)
class Asked:
    """A reported value that the rule can judge, and the scores there are by now."""

    metric: Metric
    reported: float
    tolerance: float
    scores: tuple[float, ...]
    deviation: float

    def chance(self, n: int) -> float:
        """Return how likely it is decided at n seeds, or already is at those there are."""
        have = len(self.scores)
        at = (chance(self.reported, self.tolerance, self.scores, self.deviation, k)
              for k in {have, max(n, have)})  # fmt: skip
        return max(at)


@dataclass(frozen=True)
class Group:
    """One method on one data set: the cells of a table that the same trainings fill."""

    method: str
    data: Dataset
    network: str
    protocol: str
    rows: tuple[str, ...]
    asked: tuple[Asked, ...]
    jobs: tuple[tuple[Job, ...], ...]  # by seed, in their order; none where a record is there

    @property
    def finished(self) -> int:
        """Return how many of the seeds have a record."""
        return sum(not jobs for jobs in self.jobs)

    def chance(self, added: int) -> float:
        """Return how many of its values are decided with so many seeds more."""
        return sum(each.chance(self.finished + added) for each in self.asked)

    def missing(self) -> list[int]:
        """Return the positions of the seeds that have no record."""
        return [place for place, jobs in enumerate(self.jobs) if jobs]


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
    def of(cls, made: Sequence["Group"], prices: Prices, store: Store) -> "Basket":
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


_TRUST: tuple[Basis, ...] = ("records", "steps of records", "probe", "unknown")


def groups(
    table: Table,
    store: Store,
    seeds: Sequence[int],
    *,
    protocol: str | None,
    methods: Collection[str],
    deviations: Deviations,
) -> tuple[list[Group], int]:
    """Return what can be run of a table, and how many of its reported values cannot be judged so.

    Those need a data set or a method that this version lacks, or are of no judged metric, or of
    another protocol than the paper's.
    """
    reader, left = Reader(store), 0
    found: dict[tuple[str, Dataset, str, str], tuple[list[str], list[Asked]]] = {}
    for column in table.definition.columns:
        head = Head(column, table.network(column), table.protocol_name(column, protocol))
        for row in table.definition.rows:
            reported, method = table.value(row, column), row.method_on(column.data)
            runs = method is not None and column.data.available and _has(method, methods)
            tolerance = METRICS[column.metric].tolerance if head.exact and runs else None
            left += reported is not None and tolerance is None
            if method is None or not runs:
                continue
            key = (method, column.data, head.network, head.protocol)
            labels, asked = found.setdefault(key, ([], []))
            labels.append(row.label)
            if reported is not None and tolerance is not None:
                have = tuple(scores(reader, table, row, head, seeds).values())
                spread = deviations.of(column.data.info.name, column.metric).points
                asked.append(Asked(column.metric, reported, tolerance, have, spread))
    made = [
        Group(
            *key, tuple(dict.fromkeys(labels)), tuple(asked), _jobs(*key, seeds=seeds, store=store)
        )
        for key, (labels, asked) in found.items()
    ]
    return made, left


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


def _jobs(
    method: str,
    data: Dataset,
    network: str,
    protocol: str,
    *,
    seeds: Sequence[int],
    store: Store,
) -> tuple[tuple[Job, ...], ...]:
    made = (
        make([data], [method], [seed], store, protocol_name=protocol, network=network)
        for seed in seeds
    )
    return tuple(each.jobs for each in made)


def _has(method: str, methods: Collection[str]) -> bool:
    return all(term.name in methods for term in parse(method))


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
