"""Tests and rankings against direct loops and published values."""

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from ltbench.statistics.estimates import components
from ltbench.statistics.inference import paired_t, rank, sign_flip
from ltbench.statistics.verdict import holm


def test_paired_t_is_the_paired_t_test():
    a, b = [41.0, 39.5, 40.5, 42.0], [39.0, 38.5, 38.0, 42.5]
    gains = [x - y for x, y in zip(a, b, strict=True)]
    assert paired_t(gains) == pytest.approx(scipy.stats.ttest_rel(a, b).pvalue)
    assert paired_t([1.0]) is None
    assert (paired_t([1.0, 1.0]), paired_t([0.0, 0.0])) == (0.0, 1.0)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_sign_flip_tries_every_pattern(n):
    gains = np.random.default_rng(n).normal(0.5, 1, n)
    patterns = [np.mean(gains * signs) for signs in itertools.product([1, -1], repeat=n)]
    extreme = sum(abs(each) >= abs(gains.mean()) - 1e-12 for each in patterns)
    assert sign_flip(gains.tolist()) == pytest.approx(extreme / 2**n)


def test_sign_flip_of_many_seeds_is_drawn_and_repeats():
    gains = np.random.default_rng(0).normal(0.2, 1, 25).tolist()
    assert sign_flip(gains) == sign_flip(gains)
    assert sign_flip(gains) == pytest.approx(paired_t(gains), abs=0.03)
    assert sign_flip([1.0]) is None


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_rejects_what_its_steps_reject(p_values):
    alpha, rejected = 0.05, set()
    for rank_, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[place] > alpha / (len(p_values) - rank_):
            break
        rejected.add(place)
    adjusted = holm(p_values)
    near = {i for i, p in enumerate(adjusted) if math.isclose(p, alpha, rel_tol=1e-9)}
    assert {i for i, p in enumerate(adjusted) if p <= alpha} - near == rejected - near


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


def test_spread_of_subsets_apart_from_that_of_runs():
    random = np.random.default_rng(0)
    subsets = random.normal(0, 2.0, (400, 1)) + random.normal(0, 0.5, (400, 5))
    found = components(subsets.tolist())
    assert found.subset == pytest.approx(2.0, rel=0.1)
    assert found.run == pytest.approx(0.5, rel=0.05)
    assert components([[1.0, 2.0], [1.0, 2.0]]).subset == 0.0
    assert components([[1.0, 2.0]]) is None
    assert components([[1.0], [2.0]]) is None
    assert components([[1.0, 2.0], [2.0]]) is None
