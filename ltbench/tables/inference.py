"""Tests and rankings over seeds and data sets; scipy does the mathematics.

Slow to import, for scipy's distributions are: `ltbench table` does without it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

import numpy as np
from scipy import special, stats

from ltbench.tables.verdict import ALPHA, POWER

_RESAMPLES = 2**13  # up to 13 seeds every pattern of signs is tried


def paired_t(gains: Sequence[float]) -> float | None:
    """Return the two-sided p-value of no gain by the paired t test; None of fewer than two."""
    if len(gains) < 2:
        return None
    if variance(gains) == 0:
        return float(gains[0] == 0)
    return float(stats.ttest_1samp(gains, 0).pvalue)


def sign_flip(gains: Sequence[float]) -> float | None:
    """Return the two-sided p-value of no gain when each seed's gain may have either sign.

    It assumes symmetry and nothing else, and cannot fall below 2 / 2^n.
    """
    if len(gains) < 2:
        return None
    test = stats.permutation_test(
        (np.asarray(gains),),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=_RESAMPLES,
        random_state=0,
    )
    return float(test.pvalue)


def detectable_gain(gains: Sequence[float]) -> float | None:
    """Return the least true gain that the paired t test finds in four of five tries.

    With as many seeds as there are gains, whose deviation is taken for the true one; None of
    fewer than two.
    """
    if len(gains) < 2:
        return None
    freedom = len(gains) - 1
    critical = stats.t.ppf(1 - ALPHA / 2, freedom)
    shift = float(special.nctdtrinc(freedom, 1 - POWER, critical))
    return shift * math.sqrt(variance(gains) / len(gains))


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of methods over data sets (1 is best), after Demšar 2006."""

    ranks: dict[str, float]
    datasets: int
    p_value: float  # Friedman's: of all methods being alike
    critical: float  # mean ranks that lie closer together than this are not told apart (Nemenyi)


def rank(means: Mapping[str, Sequence[float]]) -> Ranks | None:
    """Return the ranks of at least three methods by their means on at least two data sets."""
    table = np.asarray(list(means.values()))  # [methods, data sets]
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2:
        return None
    methods, datasets = table.shape
    mean_ranks = stats.rankdata(-table, axis=0).mean(1)
    alike = bool((table == table[0]).all())
    p_value = 1.0 if alike else float(stats.friedmanchisquare(*table).pvalue)
    quantile = float(stats.studentized_range.ppf(1 - ALPHA, methods, np.inf)) / math.sqrt(2)
    critical = quantile * math.sqrt(methods * (methods + 1) / (6 * datasets))
    return Ranks(dict(zip(means, mean_ranks.tolist(), strict=True)), datasets, p_value, critical)


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
