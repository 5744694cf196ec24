"""What seeds are worth: how likely a reported value is decided in a table of n of them.

The rule is that of `ltbench.statistics.verdict`, with a deviation that all methods of a column
share and Holm's first step over its `family` of values. Where two seeds or more exist, new ones are
taken to fall where these lead to expect. Before that only the reported value is known, and what is
given is how often it would be said to hold were it true; of values that are not, `detectable` tells
how far off they must be to be found out.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from scipy.special import chdtri, fdtri, ndtr, stdtrit

from ltbench.statistics.estimates import ALPHA, CONFIDENCE, LEAST
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
) -> float:
    """Return the probability that a reported value is decided at n seeds, more than its scores."""
    if n < LEAST:
        return 0.0
    have = len(scores)
    if have < 2:
        return chance_to_hold(deviation, tolerance, n, family)
    now = value(reported, scores, tolerance, have, Deviation(deviation, family * (have - 1)))
    return now.chance(n, ALPHA / family)


@cache
def chance_with_more_rows(now: Evidence, added: int, family: int) -> float:
    """Return the probability that a value with all its seeds is decided once more rows have theirs.

    Its deviation is shared by its column and measured by `now.freedom` degrees of freedom; the rows
    bring `added` more. The variance that they measure is, over today's, distributed as F.
    """
    middles = (np.arange(_GRID) + 0.5) / _GRID
    ratios = fdtri(added, now.freedom, middles) if added else np.ones(1)
    freedom = now.freedom + added
    points = now.deviation * np.sqrt((now.freedom + added * ratios) / freedom)
    later = (replace(now, deviation=each, noise=each, freedom=freedom) for each in points.tolist())
    return float(np.mean([decided(each, ALPHA / family) is not None for each in later]))


@cache
def chance_to_hold(deviation: float, tolerance: float, n: int, family: int) -> float:
    """Return the probability of `holds` at n seeds where the paper's mean is ours.

    It is one draw, our mean that of n; the deviation that the interval is made of is itself drawn.
    """
    freedom = family * (n - 1)
    middles = (np.arange(_GRID) + 0.5) / _GRID
    drawn = deviation * np.sqrt(chdtri(freedom, middles) / freedom)
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * drawn / math.sqrt(n)
    spread = max(deviation, 1e-9) * math.sqrt(1 + 1 / n)
    room = np.maximum(tolerance - half, 0) / spread
    return float(np.mean(2 * ndtr(room) - 1))


def detectable(deviation: float, tolerance: float, n: int, family: int) -> float | None:
    """Return the least true difference that n seeds find in four of five tries."""
    if n < LEAST:
        return None
    taken = Deviation(deviation, family * (n - 1))
    return value(0.0, [0.0] * n, tolerance, n, taken).detectable(ALPHA / family)
