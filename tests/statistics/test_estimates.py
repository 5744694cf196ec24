import math

import numpy as np
import pytest
import scipy.stats

from ltbench.statistics.estimates import (
    Estimate,
    components,
    mean_interval,
    paired_difference,
    separated_best,
)


@pytest.mark.parametrize("n", [3, 5, 30])
def test_interval_is_students(n):
    values = np.random.default_rng(n).normal(40, 2, n).tolist()
    low, high = scipy.stats.t.interval(
        0.95, n - 1, loc=np.mean(values), scale=scipy.stats.sem(values)
    )
    estimate = mean_interval(values)
    assert estimate.n == n
    assert estimate.mean - estimate.half_width == pytest.approx(low, abs=1e-9)
    assert estimate.mean + estimate.half_width == pytest.approx(high, abs=1e-9)


def test_interval_by_hand():
    # t(2 degrees of freedom) = 4.30265, standard error 1 / sqrt(3)
    half = mean_interval([1.0, 2.0, 3.0]).half_width
    assert half == pytest.approx(4.30265 / math.sqrt(3), abs=1e-5)
    assert mean_interval([1.0, 2.0]) == Estimate(1.5, None, 2)  # it would be 1.5 ± 6.4
    assert mean_interval([3.0, 3.0, 3.0]) == Estimate(3.0, 0.0, 3)
    assert mean_interval([7.5]) == Estimate(7.5, None, 1)


def test_an_interval_is_drawn_within_what_a_score_can_be():
    assert Estimate(3.0, 5.0, 3).ends(0, 100) == (0, 8.0)
    assert Estimate(99.0, 5.0, 3).ends(0, 100) == (94.0, 100)
    assert Estimate(50.0, None, 1).ends(0, 100) == (50.0, 50.0)


def test_interval_holds_the_mean_95_times_of_100():
    draws = np.random.default_rng(0).normal(0, 1, (2000, 3))
    hits = sum(abs(e.mean) <= e.half_width for e in map(mean_interval, draws.tolist()))
    assert 0.935 < hits / 2000 < 0.965


def test_paired_difference_is_the_paired_t_test():
    a, b = {0: 41.0, 1: 39.5, 2: 40.5, 9: 0.0}, {2: 38.0, 1: 38.5, 0: 39.0, 7: 99.0}
    common = [0, 1, 2]
    test = scipy.stats.ttest_rel([a[s] for s in common], [b[s] for s in common])
    low, high = test.confidence_interval(0.95)
    estimate = paired_difference(a, b)
    assert estimate.n == 3
    assert estimate.mean == pytest.approx((high + low) / 2)
    assert estimate.half_width == pytest.approx((high - low) / 2)


def test_paired_difference_needs_common_seeds():
    assert paired_difference({0: 1.0}, {1: 2.0}) is None
    assert paired_difference({0: 1.0, 1: 5.0}, {1: 2.0}) == Estimate(3.0, None, 1)


@pytest.mark.parametrize(
    ("estimates", "best"),
    [
        ([Estimate(40, 1, 3), Estimate(43, 1, 3)], 1),
        ([Estimate(40, 2, 3), Estimate(43, 1, 3)], None),  # touch at 42
        ([Estimate(43, 1, 3), Estimate(41, 0.5, 3), Estimate(30, 13, 3)], None),  # wide third
        ([Estimate(43, None, 1), Estimate(30, 1, 3)], None),
        ([Estimate(43, 1, 3), Estimate(30, None, 1)], None),
        ([Estimate(43, 1, 3), Estimate(43, 1, 3)], None),
        ([None, Estimate(43, 1, 3), None], None),  # nothing to be separate from
        ([], None),
    ],
)
def test_best_only_where_the_intervals_separate_it(estimates, best):
    assert separated_best(estimates) == best


def test_estimates_print_one_decimal_and_no_negative_zero():
    assert str(Estimate(38.25, 0.34, 3)) == "38.2 ± 0.3"
    assert str(Estimate(-0.01, None, 1)) == "0.0"


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
