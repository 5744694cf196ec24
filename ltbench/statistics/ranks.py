"""Ranks of methods over data sets. Slow to import, for it needs scipy.stats."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ltbench.statistics.estimates import ALPHA


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
