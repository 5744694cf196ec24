"""What seeds are worth: as simulated, as docs/verdicts.md states it, and as records measure it."""

import math

import numpy as np
import pytest

from ltbench.planning.spread import USUAL, USUAL_OF_SHOTS, Deviations
from ltbench.statistics.power import chance, chance_to_hold, detectable
from ltbench.statistics.verdict import decided, value


@pytest.mark.parametrize(
    ("deviation", "n", "percent", "least"),
    [(0.3, 3, 60, 3.0), (0.3, 5, 93, 2.2), (0.3, 10, 99, 2.0),
     (0.6, 3, 14, 4.9), (0.6, 5, 35, 3.5), (0.6, 10, 63, 3.0)],
)  # fmt: skip
def test_figures_are_those_of_the_page_on_verdicts(deviation, n, percent, least):
    assert 100 * chance_to_hold(deviation, 1.0, n) == pytest.approx(percent, abs=1.5)
    assert detectable(deviation, 1.0, n) == pytest.approx(least, abs=0.05)


def test_the_chance_is_how_often_the_rule_says_holds():
    rng = np.random.default_rng(0)
    for deviation, tolerance, n in ((0.5, 1.0, 4), (0.8, 2.0, 3)):
        held = 0
        for _ in range(4000):
            reported, *ours = rng.normal(50, deviation, n + 1)
            held += value(reported, ours, tolerance).holds()
        expected = chance_to_hold(deviation, tolerance, n)
        assert held / 4000 == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 4000))


def test_fewer_than_three_seeds_decide_nothing():
    assert [chance(50, 1, [], 0.3, n) for n in (0, 1, 2)] == [0, 0, 0]
    assert detectable(0.3, 1.0, 2) is None
    assert chance(50, 1, [], 0.3, 3) > 0.5


def test_two_seeds_are_taken_to_stay_what_they_are():
    far, near, between = [60.0, 60.1], [50.0, 50.1], [51.0, 51.4]
    assert chance(50, 1, far, 0.3, 3) == 1
    assert chance(50, 1, near, 0.3, 3) == 1
    for n in (3, 10):
        compared = value(50, between, 1)
        assert decided(type(compared)(**{**vars(compared), "n": n})) is None
        assert chance(50, 1, between, 0.3, n) == 0


def test_seeds_that_are_all_alike_hold():
    assert chance_to_hold(0.0, 1.0, 3) == pytest.approx(1.0)


def test_deviations_are_pooled_within_methods_over_a_data_set(make_record):
    records = [make_record("ce", seed, top1) for seed, top1 in enumerate((40.0, 41.0, 42.0))] + [
        make_record("focal", seed, top1) for seed, top1 in enumerate((60.0, 63.0))
    ]
    found = Deviations(records).of("cifar100_lt", "top1")
    assert found.freedom == 3
    assert found.points == pytest.approx(math.sqrt((2 * 1.0 + 1 * 4.5) / 3))


def test_where_no_record_tells_the_usual_is_taken_and_said_to_be(make_record):
    deviations = Deviations([make_record("ce", 0, 40.0)])
    assert deviations.of("cifar100_lt", "top1").points == USUAL
    assert deviations.of("cifar10_lt", "few").points == USUAL_OF_SHOTS
    assert deviations.of("cifar100_lt", "top1").freedom == 0
