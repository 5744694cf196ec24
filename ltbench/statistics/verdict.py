"""Verdicts on reported values, by a rule with known error rates: docs/verdicts.md.

A reported value is one draw of unknown noise plus an unknown shift. The noise is taken to be that
of one of our seeds; the shift (the best epoch on the test set instead of the last, rounding, small
differences of recipe) is what the tolerance allows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev, variance
from typing import Literal

from scipy.special import nctdtrinc, stdtr, stdtrit

from ltbench.statistics.estimates import ALPHA, CONFIDENCE, POWER

LEAST = 3  # seeds; of fewer nothing is judged
MOST = 100  # seeds that anyone may be asked for
LEAST_TOLERANCE = 0.3  # of a gain, in points: rounding and the choice of the epoch remain

Word = Literal["holds", "differs", "undecided", "proxy", "not run"]


@dataclass(frozen=True)
class Verdict:
    """A word; of an undecided value also how many seeds more would decide it, if any would."""

    word: Word
    more: int | None = None

    def __str__(self) -> str:
        if self.word != "undecided":
            return self.word
        if self.more is None:
            return "undecided: more seeds alone would not decide"
        return f"undecided: about {self.more} more seed{'' if self.more == 1 else 's'}"


@dataclass(frozen=True)
class Evidence:
    """A reported value beside ours."""

    reported: float
    tolerance: float
    mean: float
    deviation: float  # standard deviation of one of our seeds
    n: int
    noise: float  # standard deviation of the reported value
    gain: bool = False  # whether it is a difference, which then must have its sign too

    @property
    def difference(self) -> float:
        """Return ours - reported."""
        return self.mean - self.reported

    @property
    def judged(self) -> bool:
        """Return whether there are seeds enough."""
        return self.n >= LEAST

    def p_value(self) -> float:
        """Return how often so large a difference comes about when there is none but a shift."""
        excess = abs(self.difference) - self.tolerance
        if excess <= 0:
            return 1.0
        spread = self._spread()
        return 2 * float(stdtr(self.n - 1, -excess / spread)) if spread > 0 else 0.0

    def holds(self) -> bool:
        """Return whether the 95 % interval of our mean lies within the tolerance."""
        half = self._quantile(CONFIDENCE) * self.deviation / math.sqrt(self.n)
        if self.gain and self.mean * math.copysign(1, self.reported) <= half:
            return False  # its sign is open
        return abs(self.difference) + half <= self.tolerance

    def detectable(self) -> float:
        """Return the least true difference that so many seeds find in four of five tries."""
        shift = float(nctdtrinc(self.n - 1, 1 - POWER, self._quantile(CONFIDENCE)))
        return self.tolerance + shift * self._spread()

    def _spread(self) -> float:
        """Return the standard deviation of the difference between our mean and one such value."""
        return math.sqrt(self.noise**2 + self.deviation**2 / self.n)

    def _quantile(self, confidence: float) -> float:
        return float(stdtrit(self.n - 1, (1 + confidence) / 2))


def value(reported: float, scores: Sequence[float], tolerance: float) -> Evidence:
    """Return a reported value beside the scores of at least one seed."""
    deviation = stdev(scores) if len(scores) > 1 else math.nan
    return Evidence(reported, tolerance, fmean(scores), deviation, len(scores), deviation)


def gain(
    reported: float, ours: Sequence[float], base: Sequence[float], tolerance: float
) -> Evidence:
    """Return a reported gain beside the gains of at least one seed that both methods have.

    The noise of the reported one is at least that of two methods that share no seed.
    """
    gains = [a - b for a, b in zip(ours, base, strict=True)]
    paired = value(reported, gains, tolerance)
    if len(gains) < 2:
        return replace(paired, gain=True)
    noise = math.sqrt(max(variance(gains), variance(ours) + variance(base)))
    return replace(paired, noise=noise, gain=True)


def gain_tolerance(reported: float, tolerance: float) -> float:
    """Return half the reported gain, but at least 0.3 points and at most the metric's tolerance."""
    return min(tolerance, max(LEAST_TOLERANCE, abs(reported) / 2))


def judge(comparison: Evidence, alpha: float = ALPHA) -> Verdict:
    """Return the verdict; `alpha` is smaller where several values are judged together."""
    if comparison.judged:
        word = decided(comparison, alpha)
        return Verdict(word) if word else Verdict("undecided", _more(comparison, alpha))
    if comparison.n < 2:
        return Verdict("undecided", LEAST - comparison.n)
    return Verdict("undecided", _more(comparison, alpha))


@dataclass(frozen=True)
class Judged:
    """A verdict among others, and Holm's p-value where there were seeds enough."""

    verdict: Verdict
    p_holm: float | None


def judge_together(comparisons: Sequence[Evidence]) -> list[Judged]:
    """Return the verdicts on values of which one may falsely differ 5 times of 100, not each."""
    tested = [each.p_value() for each in comparisons if each.judged]
    adjusted = iter(holm(tested))
    judged = []
    for each in comparisons:
        if not each.judged:
            judged.append(Judged(judge(each), None))
            continue
        p_value, p_holm = each.p_value(), next(adjusted)
        alpha = ALPHA * p_value / p_holm if p_holm > 0 else ALPHA / len(tested)
        judged.append(Judged(judge(each, alpha), p_holm))
    return judged


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values: those below alpha make an error with that rate together."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def decided(comparison: Evidence, alpha: float = ALPHA) -> Word | None:
    """Return `holds` or `differs`, or None where neither can be said."""
    if comparison.holds():
        return "holds"
    return "differs" if comparison.p_value() <= alpha else None


def _more(comparison: Evidence, alpha: float) -> int | None:
    """Return how many seeds more would decide, were mean and deviation to stay what they are."""
    for n in range(max(comparison.n + 1, LEAST), MOST + 1):
        if decided(replace(comparison, n=n), alpha):
            return n - comparison.n
    return None
