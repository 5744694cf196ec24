"""Verdicts on reported values, by a rule with known error rates: docs/verdicts.md.

A reported value is one draw of unknown noise plus an unknown shift. The noise is taken to be that
of one of our seeds; the shift (the best epoch on the test set instead of the last, rounding, small
differences of recipe) is what the tolerance allows. A value is judged once, on seeds that were
named before the first of them ran.
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from ltbench.statistics.distributions import noncentrality, normal_cdf, t_cdf, t_quantile
from ltbench.statistics.estimates import ALPHA, CONFIDENCE, LEAST, POWER, ROUNDING
from ltbench.statistics.gains import Gain
from ltbench.statistics.pooling import Deviation, pool

MOST = 100  # seeds that anyone may be asked for
LIKELY = 0.5  # so often at least do the seeds that are asked for decide
LEAST_TOLERANCE = 0.3  # of a gain, in points: rounding and the choice of the epoch remain

VerdictWord = Literal["holds", "differs", "undecided", "proxy", "not run", "cannot run"]


@dataclass(frozen=True)
class Verdict:
    """A word; of an undecided value also what it waits for, or what would have decided it."""

    word: VerdictWord
    missing: int = 0  # seeds that were named and have not run
    enough: int | None = None  # seeds, these among them, of which a table would decide it

    def __str__(self) -> str:
        if self.missing:
            return f"{self.word}: {self.missing} more seed{'s' * (self.missing > 1)} to run"
        if self.enough is not None:
            return f"{self.word}: {self.enough} seeds in all might decide"
        return self.word


@dataclass(frozen=True)
class Evidence:
    """A reported value beside ours."""

    reported: float
    tolerance: float
    mean: float
    n: int
    wanted: int  # seeds that were named beforehand
    deviation: float  # standard deviation of one of our seeds
    freedom: int  # degrees of freedom that measured it
    noise: float  # standard deviation of the reported value
    gain: bool = False  # whether it is a difference, which then must have its sign too

    @property
    def difference(self) -> float:
        """Return ours - reported."""
        return self.mean - self.reported

    @property
    def half_width(self) -> float:
        """Return half the width of the 95 % interval of our mean that the verdict is by."""
        quantile = t_quantile(self.freedom, (1 + CONFIDENCE) / 2)
        return quantile * self.deviation / math.sqrt(self.n)

    @property
    def judged(self) -> bool:
        """Return whether all seeds are there, and differ among themselves."""
        return self.n >= max(LEAST, self.wanted) and self.freedom > 0 and self.deviation > ROUNDING

    def p_value(self) -> float | None:
        """Return the p-value of so large a difference where only the tolerated shift is true.

        The null is an interval, |shift| <= T, and the shift that makes the difference d most
        likely is T: p = P(t >= (|d| - T) / s) + P(t >= (|d| + T) / s). None where nothing varies.
        """
        spread = self._spread()
        if self.freedom < 1 or not spread > ROUNDING:
            return None
        return self._tails(abs(self.difference), spread)

    def holds(self) -> bool:
        """Return whether the 95 % interval of our mean lies within the tolerance."""
        half = self.half_width
        if self.gain and self.mean * math.copysign(1, self.reported) <= half:
            return False  # its sign is open
        return abs(self.difference) + half <= self.tolerance

    def detectable(self, alpha: float = ALPHA) -> float:
        """Return the least true difference that so many seeds find in four of five tries."""
        spread = self._spread()
        critical = (self._edge(alpha) - self.tolerance) / spread
        shift = noncentrality(self.freedom, 1 - POWER, critical)
        return self.tolerance + shift * spread

    def chance(self, n: int, alpha: float = ALPHA) -> float:
        """Return the probability that n seeds decide it, these and new ones, n above today's.

        The deviation is taken to stay what it is; every method of its column gets as many seeds.
        """
        freedom = round(self.freedom * (n - 1) / (self.n - 1))
        later = replace(self, n=n, wanted=n, freedom=freedom)
        spread = self.deviation * math.sqrt(1 / self.n - 1 / n)  # of our mean then around it now
        room = self.tolerance - later.half_width
        low, high = self.reported - room, self.reported + room
        if self.gain and self.reported > 0:
            low = max(low, later.half_width)
        elif self.gain:
            high = min(high, -later.half_width)
        edge = later._edge(alpha)

        def below(mean: float) -> float:
            return normal_cdf((mean - self.mean) / spread)

        differs = below(self.reported - edge) + 1 - below(self.reported + edge)
        return differs + max(0.0, below(high) - below(low))

    def enough(self, alpha: float = ALPHA) -> int | None:
        """Return the least n that decides it with probability 1/2; None where a hundred do not."""
        sizes = range(self.n + 1, MOST + 1)
        index = bisect_left(sizes, LIKELY, key=lambda n: self.chance(n, alpha))
        return sizes[index] if index < len(sizes) else None

    def _spread(self) -> float:
        """Return the standard deviation of the difference between our mean and one such value."""
        return math.sqrt(self.noise**2 + self.deviation**2 / self.n)

    def _tails(self, distance: float, spread: float) -> float:
        near, far = (distance - self.tolerance) / spread, (distance + self.tolerance) / spread
        return t_cdf(self.freedom, -near) + t_cdf(self.freedom, -far)

    def _edge(self, alpha: float) -> float:
        """Return the least difference whose p-value is at most alpha."""
        spread = self._spread()
        low, high = (
            self.tolerance + spread * t_quantile(self.freedom, 1 - each)
            for each in (alpha, alpha / 2)
        )
        while high - low > 1e-6 * spread:
            middle = (low + high) / 2
            if self._tails(middle, spread) > alpha:
                low = middle
            else:
                high = middle
        return high


def value(
    reported: float,
    scores: Sequence[float],
    tolerance: float,
    wanted: int = LEAST,
    deviation: Deviation | None = None,
) -> Evidence:
    """Return a reported value beside the scores of at least one seed.

    Without a deviation that of the scores is taken.
    """
    spread = deviation or pool([scores]).each[0]
    return Evidence(
        reported, tolerance, fmean(scores), len(scores), wanted, spread.points, spread.freedom,
        spread.points,
    )  # fmt: skip


def gain(
    reported: float, gained: Gain, noise: float, tolerance: float, wanted: int = LEAST
) -> Evidence:
    """Return a reported gain beside ours over at least one seed.

    `noise` is the standard deviation of the reported one, as of two methods that share no seed. It
    is taken to be no smaller than that of ours.
    """
    return Evidence(
        reported, tolerance, gained.mean, gained.n, wanted, gained.deviation, gained.freedom,
        max(noise, gained.deviation), gain=True,
    )  # fmt: skip


def gain_tolerance(reported: float, tolerance: float) -> float:
    """Return half the reported gain, but at least 0.3 points and at most the metric's tolerance."""
    return min(tolerance, max(LEAST_TOLERANCE, abs(reported) / 2))


@dataclass(frozen=True)
class Judged:
    """A verdict among others, and Holm's p-value where all seeds were there."""

    verdict: Verdict
    p_holm: float | None


def judge(family: Sequence[Evidence | None]) -> list[Judged]:
    """Return the verdicts on a family fixed beforehand, None being what has not run yet.

    Of the whole family one value is falsely said to differ 5 times of 100 at most: what has not
    run counts as if nothing had been found in it, so that running it, the deviations being what
    they were, makes no other p-value larger.
    """
    tested = [each.p_value() if each and each.judged else None for each in family]
    return [
        Judged(_verdict(each, p_holm, len(family)), p_holm)
        for each, p_holm in zip(family, holm(tested), strict=True)
    ]


def _verdict(evidence: Evidence | None, p_holm: float | None, family: int) -> Verdict:
    if evidence is None:
        return Verdict("not run")
    if not evidence.judged:
        return Verdict("undecided", max(LEAST, evidence.wanted) - evidence.n)
    if evidence.holds():
        return Verdict("holds")
    if p_holm is not None and p_holm <= ALPHA:
        return Verdict("differs")
    return Verdict("undecided", enough=evidence.enough(ALPHA / family))


def decided(evidence: Evidence, alpha: float = ALPHA) -> VerdictWord | None:
    """Return `holds` or `differs` of one value alone, or None where neither can be said."""
    p_value = evidence.p_value()
    if p_value is None:
        return None
    return "holds" if evidence.holds() else "differs" if p_value <= alpha else None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's adjusted p-values: those below alpha make an error with that rate together.

    None is a test that has not run: it counts in the family as one that finds nothing, and is None.
    """
    raised = _holm([1.0 if p is None else p for p in p_values])
    return [None if p is None else each for p, each in zip(p_values, raised, strict=True)]


def _holm(p_values: Sequence[float]) -> list[float]:
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
