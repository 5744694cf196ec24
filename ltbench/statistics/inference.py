"""Tests of gains, and ranks over data sets: slow to import, for they need scipy.stats."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import variance

import numpy as np
from scipy import special, stats

from ltbench.statistics.estimates import ALPHA, POWER

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
