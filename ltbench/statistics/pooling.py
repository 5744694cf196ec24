"""One deviation between seeds for all methods of a column, unless the seeds say otherwise."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ltbench.statistics.distributions import chi_square_above
from ltbench.statistics.estimates import ALPHA, ROUNDING


@dataclass(frozen=True)
class Deviation:
    """The standard deviation of one seed, and by how many degrees of freedom it is measured."""

    points: float
    freedom: int


@dataclass(frozen=True)
class Deviations:
    """The deviations of several methods, in their order; `shared` where all have the same."""

    shared: bool
    each: tuple[Deviation, ...]


def pool(samples: Sequence[Sequence[float]]) -> Deviations:
    """Return the deviation of each sample: the pooled one of all, unless Bartlett's test objects.

    Then a sample has its own, with its own freedom, but none smaller than the pooled one: it is the
    samples that vary least by chance which the test objects to most. A sample that does not vary
    at all, as of a method that recognises nothing, measures no noise and is not pooled.
    """
    own = [Deviation(stdev(each) if len(each) > 1 else 0.0, len(each) - 1) for each in samples]
    measured = [(each.points**2, each.freedom) for each in own if each.points > ROUNDING]
    if not measured:
        return Deviations(shared=False, each=tuple(own))
    freedom = sum(degrees for _, degrees in measured)
    pooled = math.sqrt(sum(square * degrees for square, degrees in measured) / freedom)
    if equal_variances(measured) >= ALPHA:
        return Deviations(shared=True, each=(Deviation(pooled, freedom),) * len(own))
    raised = (Deviation(max(each.points, pooled), each.freedom) for each in own)
    return Deviations(shared=False, each=tuple(raised))


def varies(scores: Iterable[float]) -> bool:
    """Return whether scores differ by more than rounding: those that do not measure no noise."""
    ordered = sorted(scores)
    return ordered[-1] - ordered[0] > ROUNDING


def equal_variances(variances: Sequence[tuple[float, int]]) -> float:
    """Return the p-value of Bartlett's test, of positive variances with their degrees of freedom.

    Levene's test on medians rejects nothing at three seeds (docs/verdicts.md). Bartlett's also
    rejects noise with long tails, which errs on the safe side.
    """
    if len(variances) < 2:
        return 1.0
    total = sum(degrees for _, degrees in variances)
    pooled = sum(square * degrees for square, degrees in variances) / total
    statistic = total * math.log(pooled) - sum(
        degrees * math.log(square) for square, degrees in variances
    )
    excess = sum(1 / degrees for _, degrees in variances) - 1 / total
    correction = 1 + excess / (3 * (len(variances) - 1))
    return chi_square_above(len(variances) - 1, max(0.0, statistic) / correction)


def block(samples: Sequence[Sequence[float]]) -> Deviation:
    """Return the deviation of one score beyond those of its method and of its seed.

    At least two samples, each of the same two seeds or more in the same order: the residual of the
    two-way layout x[i, j] = mean + method[i] + seed[j], with (methods - 1)(seeds - 1) degrees.
    """
    methods, seeds = len(samples), len(samples[0])
    by_method = [fmean(each) for each in samples]
    by_seed = [fmean(each) for each in zip(*samples, strict=True)]
    centre = fmean(by_method)
    squares = sum(
        (score - by_method[i] - by_seed[j] + centre) ** 2
        for i, each in enumerate(samples)
        for j, score in enumerate(each)
    )
    freedom = (methods - 1) * (seeds - 1)
    return Deviation(math.sqrt(squares / freedom), freedom)
