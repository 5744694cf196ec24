"""What seeds are worth: how likely a reported value is decided once there are n of them.

The rule is that of `ltbench.tables.verdict`. Where two seeds or more exist, their mean and
deviation are taken to stay what they are. Before that only the reported value is known, and what is
given is how often it would be said to hold were it true; of values that are not, `detectable` tells
how far off they must be to be found out.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import variance

import numpy as np
from scipy.special import chdtri, ndtr, stdtrit

from ltbench.runs.record import Record
from ltbench.tables.metrics import METRICS, Metric
from ltbench.tables.statistics import CONFIDENCE
from ltbench.tables.verdict import LEAST, Comparison, decided, value

# docs/verdicts.md: accuracies of one recipe differ between seeds by about 0.3 to 0.6 points. A shot
# group is about a third of the classes, so it spreads by the root of three more.
USUAL = 0.45
USUAL_OF_SHOTS = USUAL * math.sqrt(3)
_GRID = 400  # points at which the deviation's distribution is summed


@dataclass(frozen=True)
class Deviation:
    """The standard deviation of one seed, and how many degrees of freedom measured it (0: none)."""

    points: float
    freedom: int


def usual(metric: Metric) -> Deviation:
    """Return what is taken where no records tell."""
    return Deviation(USUAL if metric == "top1" else USUAL_OF_SHOTS, 0)


class Deviations:
    """Deviations between seeds by data set and metric, pooled over all that was run on it.

    Ratios, methods, networks and protocols of a data set are pooled: a rough figure, of use only
    before a cell has seeds of its own.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        groups: dict[tuple[str, ...], dict[Metric, list[float]]] = {}
        for record in records:
            key = (record.dataset, record.protocol, record.network, record.method)
            for metric, quantity in METRICS.items():
                found = quantity.read(record, "last") if quantity.tolerance is not None else None
                if found is not None:
                    groups.setdefault(key, {}).setdefault(metric, []).append(found)
        squares: dict[tuple[str, Metric], list[tuple[float, int]]] = {}
        for (dataset, *_), scores in groups.items():
            for metric, values in scores.items():
                if len(values) > 1:
                    name = dataset.partition("(")[0]
                    part = variance(values), len(values) - 1
                    squares.setdefault((name, metric), []).append(part)
        self._found: Mapping[tuple[str, Metric], Deviation] = {
            key: _pooled(parts) for key, parts in squares.items()
        }

    def of(self, name: str, metric: Metric) -> Deviation:
        """Return the deviation for a data set's name, or the usual one."""
        return self._found.get((name, metric)) or usual(metric)


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
    return Comparison(0.0, tolerance, 0.0, deviation, n, deviation).detectable()


def _pooled(parts: list[tuple[float, int]]) -> Deviation:
    freedom = sum(degrees for _, degrees in parts)
    square = sum(variance_ * degrees for variance_, degrees in parts) / freedom
    return Deviation(math.sqrt(square), freedom)
