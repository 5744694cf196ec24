"""Gains of one method on another: is there one at all, and how often does it show?"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from ltbench.statistics.distributions import noncentrality, normal_cdf, t_cdf, t_quantile
from ltbench.statistics.estimates import ALPHA, CONFIDENCE, LEAST, POWER, ROUNDING, Estimate

_ALL_SIGNS = 13  # seeds up to which every pattern of signs is tried


@dataclass(frozen=True)
class Gain:
    """A mean gain over n seeds, and the deviation of one seed's with its degrees of freedom."""

    mean: float
    deviation: float
    n: int
    freedom: int

    @property
    def statistic(self) -> float | None:
        """Return Student's t of no gain; None where nothing varies."""
        if self.freedom < 1 or not self.deviation > ROUNDING:
            return None
        return self.mean / self.deviation * math.sqrt(self.n)

    @property
    def estimate(self) -> Estimate:
        """Return the mean gain with its 95 % t-interval, where there are three seeds."""
        if self.freedom < 1 or self.n < LEAST:
            return Estimate(self.mean, None, self.n)
        quantile = t_quantile(self.freedom, (1 + CONFIDENCE) / 2)
        return Estimate(self.mean, quantile * self.deviation / math.sqrt(self.n), self.n)

    def p_value(self) -> float | None:
        """Return the two-sided p-value of no gain."""
        t = self.statistic
        return None if t is None else 2 * t_cdf(self.freedom, -abs(t))

    def detectable(self, alpha: float = ALPHA) -> float | None:
        """Return the least true gain that so many seeds find in four of five tries."""
        if self.freedom < 1:
            return None
        critical = t_quantile(self.freedom, 1 - alpha / 2)
        shift = noncentrality(self.freedom, 1 - POWER, critical)
        return shift * self.deviation / math.sqrt(self.n)

    def superiority(self) -> tuple[float, float, float] | None:
        """Return P(a seed of one beats the same seed of the other) and its interval.

        Of normal gains it is Phi(mean / deviation); the interval inverts the noncentral t.
        """
        t = self.statistic
        if t is None:
            return None
        low, high = (noncentrality(self.freedom, (1 + side * CONFIDENCE) / 2, t)
                     for side in (1, -1))  # fmt: skip
        root = math.sqrt(self.n)
        return normal_cdf(t / root), normal_cdf(low / root), normal_cdf(high / root)


def paired(gains: Sequence[float]) -> Gain | None:
    """Return the gain over seeds, whose deviation these alone measure; None of no seed."""
    if not gains:
        return None
    deviation = stdev(gains) if len(gains) > 1 else math.nan
    return Gain(fmean(gains), deviation, len(gains), len(gains) - 1)


def sign_flip(gains: Sequence[float]) -> float | None:
    """Return the two-sided p-value of no gain when each seed's gain may have either sign.

    It assumes symmetry and nothing else, and cannot fall below 2 / 2^n. None of fewer than two.
    """
    import numpy as np  # noqa: PLC0415  (as slow as scipy: tables without intervals need neither)

    n = len(gains)
    if n < 2:
        return None
    if n <= _ALL_SIGNS:
        signs = np.asarray(list(itertools.product((-1, 1), repeat=n)))
    else:
        drawn = np.random.default_rng(0).choice((-1, 1), (2**_ALL_SIGNS, n))
        signs = np.concatenate([drawn, np.ones((1, n), int)])  # what was seen counts as one
    sums = np.abs(signs @ np.asarray(gains))
    return float(np.mean(sums >= abs(math.fsum(gains)) * (1 - 1e-12)))
