"""The statistics of a cell: the seed is the unit, the interval is Student's t."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev, variance

from ltbench.statistics.distributions import t_quantile

LEAST = 3  # seeds that an interval or a verdict takes
ROUNDING = 1e-9  # points: what differs by no more differs as sums of the same numbers do
CONFIDENCE = 0.95
ALPHA = 1 - CONFIDENCE  # how often equal means may be said to differ
POWER = 0.8  # how often a difference of the detectable size is found


@dataclass(frozen=True)
class Estimate:
    """A mean over n seeds; of fewer than three no interval is shown, for it would say nothing."""

    mean: float
    half_width: float | None
    n: int

    def text(self, decimals: int) -> str:
        """Return the mean and, where there is one, its interval."""
        half = "" if self.half_width is None else f" ± {self.half_width:.{decimals}f}"
        return f"{self.mean:z.{decimals}f}{half}"

    def __str__(self) -> str:
        return self.text(1)

    def ends(self, low: float, high: float) -> tuple[float, float]:
        """Return the ends of the interval, or twice the mean, within what the score can be."""
        half = self.half_width or 0.0
        return max(self.mean - half, low), min(self.mean + half, high)


def mean_interval(values: Sequence[float]) -> Estimate:
    """Return the mean of at least one value and, of three or more, its 95 % t-interval."""
    n = len(values)
    if n < LEAST:
        return Estimate(fmean(values), None, n)
    quantile = t_quantile(n - 1, (1 + CONFIDENCE) / 2)
    return Estimate(fmean(values), quantile * stdev(values) / math.sqrt(n), n)


def paired_difference(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate | None:
    """Return the mean of a - b over the seeds that both have; None when they share none."""
    differences = [value - b[seed] for seed, value in a.items() if seed in b]
    return mean_interval(differences) if differences else None


def separated_best(estimates: Sequence[Estimate | None]) -> int | None:
    """Return where the highest mean stands if its interval lies above all others, else None."""
    present = [(each.mean, index) for index, each in enumerate(estimates) if each is not None]
    if len(present) < 2:
        return None
    best = max(present)[1]
    floor = _bound(estimates[best], -1)
    others = [_bound(estimates[index], +1) for _, index in present if index != best]
    return best if floor > max(others) else None


def separated_second(estimates: Sequence[Estimate | None], best: int | None) -> int | None:
    """Return where the second mean stands if the best is set apart, and it from the rest."""
    if best is None:
        return None
    return separated_best([None if at == best else each for at, each in enumerate(estimates)])


def _bound(estimate: Estimate | None, side: int) -> float:
    if estimate is None or estimate.half_width is None:
        return side * math.inf
    return estimate.mean + side * estimate.half_width


@dataclass(frozen=True)
class Components:
    """What part of the spread the training images have, and what the run: standard deviations."""

    subset: float
    run: float


def components(scores: Sequence[Sequence[float]]) -> Components | None:
    """Return both deviations of equally many runs on each of several subsets, one list a subset.

    One-way random effects: the variance between subsets beyond what their runs explain.
    """
    runs = {len(subset) for subset in scores}
    if len(scores) < 2 or len(runs) != 1 or min(runs) < 2:
        return None
    within = fmean(variance(subset) for subset in scores)
    between = variance([fmean(subset) for subset in scores]) - within / runs.pop()
    return Components(math.sqrt(max(0.0, between)), math.sqrt(within))
