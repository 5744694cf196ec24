"""What seeds are worth: how likely a reported value is decided in a table of n of them.

The rule is that of `ltbench.statistics.verdict`, with a deviation that so many `methods` of a
column share and Holm's first step over its `family` of values. Where there are two seeds or more,
new ones are taken to fall where these lead to expect. Before that only the reported value is known,
and what is given is how often it would be said to hold were it true; of values that are not,
`detectable` tells how far off they must be to be found out. A value with all its seeds may still
change its verdict, once seeds of other methods measure the deviation better.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import variance

import numpy as np
from scipy.special import chdtri, fdtri, ndtr, stdtrit

from ltbench.statistics.estimates import ALPHA, CONFIDENCE, LEAST, ROUNDING
from ltbench.statistics.pooling import Deviation
from ltbench.statistics.verdict import Evidence, decided, value

_GRID = 400  # points at which the deviation's distribution is summed


def chance(
    reported: float,
    tolerance: float,
    scores: Sequence[float],
    n: int,
    *,
    deviation: float,
    family: int,
    methods: int,
) -> float:
    """Return the probability that a reported value is decided at n seeds, more than its scores."""
    if n < LEAST:
        return 0.0
    have = len(scores)
    if have < 2:
        return chance_to_hold(deviation, tolerance, n, methods)
    now = value(reported, scores, tolerance, have, Deviation(deviation, methods * (have - 1)))
    return now.chance(n, ALPHA / family)


@dataclass(frozen=True)
class OtherSeeds:
    """Seeds of other methods that will help to measure a column's deviation, and do not yet."""

    squares: float = 0.0  # of those there are, around their method's mean
    known: int = 0  # the degrees of freedom of these
    coming: int = 0  # those of seeds that have not run

    @classmethod
    def of(cls, scores: Sequence[float], n: int) -> "OtherSeeds":
        """Return those of a method that will have n seeds and has scores of fewer."""
        known = max(len(scores) - 1, 0)
        return cls(variance(scores) * known if known else 0.0, known, n - 1 - known)

    def __add__(self, other: "OtherSeeds") -> "OtherSeeds":
        """Return both."""
        return OtherSeeds(
            self.squares + other.squares, self.known + other.known, self.coming + other.coming
        )


NO_OTHERS = OtherSeeds()


@cache
def chance_with_others(now: Evidence, others: OtherSeeds, alpha: float) -> float:
    """Return the probability that a value with all its seeds is decided once others have run.

    Its deviation must be one that its column shares. The variance of seeds that have not run, over
    that of all there are, is distributed as F. `alpha` is the level at which Holm tests the value.
    """
    there = now.freedom + others.known
    square = (now.freedom * now.deviation**2 + others.squares) / there
    freedom = there + others.coming
    middles = (np.arange(_GRID) + 0.5) / _GRID
    ratios = fdtri(others.coming, there, middles) if others.coming else np.ones(1)
    points = np.sqrt(square * (there + others.coming * ratios) / freedom)
    later = (replace(now, deviation=each, noise=each, freedom=freedom) for each in points.tolist())
    return float(np.mean([decided(each, alpha) is not None for each in later]))


def chance_to_hold(
    deviation: float, tolerance: float, n: int, methods: int, gain: float | None = None
) -> float:
    """Return the probability of `holds` at n seeds where the paper's mean is ours.

    It is one draw, our mean that of n; the deviation that the interval is made of is itself drawn.
    Of a reported gain, whose sign our interval must leave no doubt of, the deviation is that of one
    seed's difference, measured by blocks. Of methods that deviate alike Bartlett's test says in 5
    cases of 100 that they do not, and each is left with its own seeds.
    """
    alone = _to_hold(deviation, tolerance, n, n - 1, gain)
    if methods < 2 or (gain is not None and methods < 3):  # a pair is one difference a seed
        return alone
    blocks = methods if gain is None else methods - 1
    shared = _to_hold(deviation, tolerance, n, blocks * (n - 1), gain)
    return (1 - ALPHA) * shared + ALPHA * alone


@cache
def _to_hold(deviation: float, tolerance: float, n: int, freedom: int, gain: float | None) -> float:
    middles = (np.arange(_GRID) + 0.5) / _GRID
    drawn = deviation * np.sqrt(chdtri(freedom, middles) / freedom)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * drawn / math.sqrt(n)
    spread = max(deviation, ROUNDING) * math.sqrt(1 + 1 / n)
    room = np.maximum(tolerance - half, 0)
    low = -room if gain is None else np.maximum(-room, half - abs(gain))
    within = ndtr(room / spread) - ndtr(low / spread)
    return float(np.mean(np.maximum(within, 0)))


def detectable(
    deviation: float, tolerance: float, n: int, *, family: int, methods: int
) -> float | None:
    """Return the least true difference that n seeds find in four of five tries."""
    if n < LEAST:
        return None
    taken = Deviation(deviation, methods * (n - 1))
    return value(0.0, [0.0] * n, tolerance, n, taken).detectable(ALPHA / family)
