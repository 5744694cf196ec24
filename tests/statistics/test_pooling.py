"""One deviation for a column: against scipy, and by least squares."""

import math

import numpy as np
import pytest
import scipy.stats

from ltbench.statistics.pooling import block, equal_variances, pool


def drawn(seed, scales, sizes):
    random = np.random.default_rng(seed)
    return [random.normal(50, s, n).tolist() for s, n in zip(scales, sizes, strict=True)]


def test_the_pooled_deviation_weighs_variances_by_their_freedom():
    found = pool([[50.0, 51.0, 52.0], [60.0, 62.0], [70.0]])
    assert found.shared
    assert {each.freedom for each in found.each} == {3}
    assert [each.points for each in found.each] == [pytest.approx(math.sqrt(4 / 3))] * 3
    assert [each.freedom for each in pool([[50.0], [51.0]]).each] == [0, 0]
    assert pool([]).each == ()


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (2, 5, 3, 10)])
@pytest.mark.parametrize("seed", range(3))
def test_equality_is_tested_by_bartlett(sizes, seed):
    samples = drawn(seed, (0.3, 0.5, 0.4, 1.0), sizes)
    variances = [(float(np.var(each, ddof=1)), len(each) - 1) for each in samples]
    assert equal_variances(variances) == pytest.approx(scipy.stats.bartlett(*samples).pvalue)


def test_methods_that_differ_in_deviation_have_their_own_but_none_below_the_shared():
    assert pool(drawn(0, [0.5] * 6, [5] * 6)).shared
    samples = drawn(0, [0.1] * 5 + [3.0], [5] * 6)
    found = pool(samples)
    assert not found.shared
    assert {each.freedom for each in found.each} == {4}
    own = [np.std(each, ddof=1) for each in samples]
    pooled = math.sqrt(np.mean(np.square(own)))
    assert [each.points for each in found.each] == pytest.approx([pooled] * 5 + [own[-1]])


def test_a_method_that_does_not_vary_measures_no_noise_and_is_taken_to_have_the_others():
    varying = drawn(0, [0.5] * 6, [3] * 6)
    with_floor = pool([[0.0] * 3, *varying, [7.0] * 3])
    assert with_floor.shared
    assert with_floor.each == pool(varying).each[:1] * 8
    assert pool([[50.0] * 3, [51.0] * 3]).each[0].points == 0
    thirds = [0.1 + 0.2, 0.3, 0.6 - 0.3]  # equal but for rounding
    assert pool([thirds, *varying]).each == pool(varying).each[:1] * 7


def test_blocks_leave_what_neither_method_nor_seed_explains():
    scores = np.random.default_rng(0).normal(50, 1, (4, 5)) + np.arange(4)[:, None] * 3
    design = [
        [1.0, *(float(i == k) for k in range(1, 4)), *(float(j == k) for k in range(1, 5))]
        for i in range(4)
        for j in range(5)
    ]
    (residual,) = np.linalg.lstsq(np.array(design), scores.ravel(), rcond=None)[1]
    found = block(scores.tolist())
    assert found.freedom == 12
    assert found.points == pytest.approx(math.sqrt(residual / 12))


def test_blocks_of_two_methods_are_the_paired_test():
    a, b = [50.0, 52.0, 51.5], [48.0, 50.5, 48.5]
    found = block([a, b])
    gains = np.subtract(a, b)
    assert found.freedom == 2
    assert math.sqrt(2) * found.points == pytest.approx(gains.std(ddof=1))
