"""What seeds are worth: how likely a reported value is decided once there are n of them.

The rule is that of `ltbench.statistics.verdict`. Where two seeds or more exist, their mean and
deviation are taken to stay what they are. Before that only the reported value is known, and what is
given is how often it would be said to hold were it true; of values that are not, `detectable` tells
how far off they must be to be found out.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from scipy.special import chdtri, ndtr, stdtrit

from ltbench.statistics.estimates import CONFIDENCE
from ltbench.statistics.verdict import LEAST, Evidence, decided, value

_GRID = 400  # points at which the deviation's distribution is summed


def chance(
    reported: float, tolerance: float, scores: Sequence[float], deviation: float, n: int
) -> float:
    """Return how likely a reported value is decided at n seeds, given the scores there are."""
    if n < LEAST:
        return 0.0
    if len(scores) < 2:
        return chance_to_hold(deviation, tolerance, n)
    compared = value(reported, scores, tolerance)
    return float(decided(replace(compared, n=n)) is not None)


@cache
def chance_to_hold(deviation: float, tolerance: float, n: int) -> float:
    """Return how often a reported value holds at n seeds where the paper's mean is ours.

    It is one draw, our mean that of n; the deviation that the interval is made of is itself drawn.
    """
    middles = (np.arange(_GRID) + 0.5) / _GRID
    drawn = deviation * np.sqrt(chdtri(n - 1, middles) / (n - 1))
    half = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * drawn / math.sqrt(n)
    spread = max(deviation, 1e-9) * math.sqrt(1 + 1 / n)
    room = np.maximum(tolerance - half, 0) / spread
    return float(np.mean(2 * ndtr(room) - 1))


def detectable(deviation: float, tolerance: float, n: int) -> float | None:
    """Return the least true difference that n seeds find in four of five tries."""
    if n < LEAST:
        return None
    return Evidence(0.0, tolerance, 0.0, deviation, n, deviation).detectable()
