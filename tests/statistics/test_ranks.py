"""Rankings against direct loops and published values."""

import math

import pytest
import scipy.stats

from ltbench.statistics.ranks import rank


def test_ranks_are_those_of_the_friedman_test():
    means = {"a": [90.0, 80.0, 70.0, 60.0], "b": [88.0, 81.0, 69.0, 59.0],
             "c": [80.0, 75.0, 66.0, 60.0]}  # fmt: skip
    ranks = rank(means)
    assert ranks.ranks == {"a": (1 + 2 + 1 + 1.5) / 4, "b": 2.0, "c": (3 + 3 + 3 + 1.5) / 4}
    assert ranks.p_value == pytest.approx(scipy.stats.friedmanchisquare(*means.values()).pvalue)
    # Demšar 2006, Table 5: q = 2.343 for three methods at 5 %
    assert ranks.critical == pytest.approx(2.343 * math.sqrt(3 * 4 / (6 * 4)), abs=1e-3)


def test_ranks_need_methods_and_data_sets():
    assert rank({"a": [1.0, 2.0], "b": [2.0, 1.0]}) is None
    assert rank({"a": [1.0], "b": [2.0], "c": [3.0]}) is None
    assert rank({"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0, 2.0]}).p_value == 1.0
