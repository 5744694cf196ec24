"""Gains against scipy's tests, direct loops and numerical integration."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from ltbench.statistics.gains import Gain, paired, sign_flip


def test_a_paired_gain_is_tested_by_the_paired_t_test():
    a, b = [41.0, 39.5, 40.5, 42.0], [39.0, 38.5, 38.0, 42.5]
    gained = paired([x - y for x, y in zip(a, b, strict=True)])
    expected = scipy.stats.ttest_rel(a, b)
    assert gained.p_value() == pytest.approx(expected.pvalue)
    low, high = expected.confidence_interval()
    assert gained.estimate.mean == pytest.approx((low + high) / 2)
    assert gained.estimate.half_width == pytest.approx((high - low) / 2)


@pytest.mark.parametrize("gains", [[], [1.0], [0.5, 0.5], [0.0, 0.0, 0.0]])
def test_without_variation_nothing_is_tested(gains):
    gained = paired(gains)
    if gained is not None:
        assert (gained.p_value(), gained.superiority()) == (None, None)


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_sign_flip_tries_every_pattern(n):
    gains = np.random.default_rng(n).normal(0.5, 1, n)
    patterns = [np.mean(gains * signs) for signs in itertools.product([1, -1], repeat=n)]
    extreme = sum(abs(each) >= abs(gains.mean()) - 1e-12 for each in patterns)
    assert sign_flip(gains.tolist()) == pytest.approx(extreme / 2**n)


def test_sign_flip_of_many_seeds_is_drawn_and_repeats():
    gains = np.random.default_rng(0).normal(0.2, 1, 25).tolist()
    assert sign_flip(gains) == sign_flip(gains)
    assert sign_flip(gains) == pytest.approx(paired(gains).p_value(), abs=0.03)
    assert sign_flip([1.0]) is None


@pytest.mark.parametrize("freedom", [2, 8, 28])
@pytest.mark.parametrize("mean", [1.3, -0.4, 0.0])
def test_superiority_is_the_chance_of_one_gain_above_zero(freedom, mean):
    best, low, high = Gain(mean, 0.7, 3, freedom).superiority()
    normal = scipy.stats.norm(mean, 0.7)
    assert best == pytest.approx(scipy.integrate.quad(normal.pdf, 0, mean + 10)[0])
    t = mean / 0.7 * math.sqrt(3)
    # the ends are the chances under which so large, or so small, a t comes about 2.5 times of 100
    for end, tail in ((low, scipy.stats.nct.sf), (high, scipy.stats.nct.cdf)):
        shift = math.sqrt(3) * scipy.stats.norm.ppf(end)
        assert tail(t, freedom, shift) == pytest.approx(0.025, abs=1e-5)
    assert 0 < low < best < high < 1


def test_superiority_of_the_other_is_the_complement():
    one, other = Gain(0.8, 0.5, 4, 9).superiority(), Gain(-0.8, 0.5, 4, 9).superiority()
    assert other == pytest.approx((1 - one[0], 1 - one[2], 1 - one[1]))


@pytest.mark.parametrize(("freedom", "alpha"), [(2, 0.05), (28, 0.05), (28, 0.05 / 14)])
def test_the_detectable_gain_is_found_in_four_of_five_tries(freedom, alpha):
    found = Gain(0.0, 0.7, 3, freedom).detectable(alpha)
    critical = scipy.stats.t.ppf(1 - alpha / 2, freedom)
    shift = found / 0.7 * math.sqrt(3)
    assert scipy.stats.nct.sf(critical, freedom, shift) == pytest.approx(0.8, abs=1e-4)
    assert Gain(1.0, math.nan, 1, 0).detectable() is None
