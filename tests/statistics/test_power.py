"""What seeds are worth: as simulated, as docs/verdicts.md states it, and as records measure it."""

import math

import numpy as np
import pytest

from ltbench.statistics.estimates import ALPHA
from ltbench.statistics.pooling import Deviation, pool
from ltbench.statistics.power import (
    NO_OTHERS,
    OtherSeeds,
    chance,
    chance_to_hold,
    chance_with_others,
    detectable,
)
from ltbench.statistics.verdict import judge, value
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.columns import ColumnScores
from ltbench.tables.definition import load

EXACT = ResolvedColumn(load("1").definition.columns[0], "resnet32", "paper")


def test_the_chance_is_how_often_the_rule_says_holds():
    """Simulated with the rule's own pooling, which Bartlett's test now and then refuses."""
    rng, draws = np.random.default_rng(0), 1500
    for deviation, tolerance, n, methods in ((0.5, 1.0, 3, 12), (0.8, 2.0, 5, 2), (0.4, 1.0, 4, 1)):
        held = 0
        for _ in range(draws):
            reported = rng.normal(50, deviation)
            scores = rng.normal(50, deviation, (methods, n)).tolist()
            held += value(reported, scores[0], tolerance, n, pool(scores).each[0]).holds()
        expected = chance_to_hold(deviation, tolerance, n, methods)
        assert held / draws == pytest.approx(expected, abs=4 * math.sqrt(0.25 / draws))


@pytest.mark.parametrize(
    ("gain", "tolerance", "n", "methods"),
    [(3.7, 1.0, 5, 6), (1.3, 0.65, 10, 6), (-3.0, 1.0, 8, 3), (2.0, 1.0, 5, 2)],
)
def test_the_chance_of_a_gain_is_how_often_the_rule_says_holds(gain, tolerance, n, methods):
    rng, draws, s = np.random.default_rng(3), 1500, 0.45
    held = 0
    for _ in range(draws):
        means = [50 + gain, 50, *[50] * (methods - 2)]
        scores = rng.normal(0, s, (methods, n)) + np.array(means)[:, None]
        by_method = {str(i): dict(enumerate(row)) for i, row in enumerate(scores.tolist())}
        reported = gain + rng.normal(0, s * math.sqrt(2))
        evidence = ColumnScores(EXACT, n, by_method).gain_evidence("0", "1", reported, tolerance)
        held += evidence.holds()
    expected = chance_to_hold(s * math.sqrt(2), tolerance, n, methods, gain)
    assert held / draws == pytest.approx(expected, abs=4 * math.sqrt(0.25 / draws))


@pytest.mark.parametrize(
    ("middle", "points", "known"),
    [(50.6, 0.35, 4), (50.3, 0.6, 2), (50.6, 0.25, 4), (55.0, 1.0, 4), (53.0, 0.5, 2)],
)
@pytest.mark.parametrize("there", [(), (60.0,), (60.0, 60.9)])
def test_other_seeds_decide_as_often_as_when_they_are_drawn(middle, points, known, there):
    """The true deviation is drawn as all seeds measure it; then those of two methods that lack."""
    rng, family, draws, n = np.random.default_rng(1), 5, 1500, 3
    scores = [middle - 0.1, middle, middle + 0.1]
    now = value(50.0, scores, 1.0, n, Deviation(points, known))
    spread = there[1] - there[0] if len(there) == 2 else 0.0
    freedom = known + (len(there) == 2)
    measured = math.sqrt((known * points**2 + spread**2 / 2) / freedom)
    found = 0
    for true in measured * np.sqrt(freedom / rng.chisquare(freedom, draws)):
        # Of the first method what it has and a contrast to come; the second is all to come.
        contrasts = [spread / math.sqrt(2), *rng.normal(0, true, 2 * (n - 1) - (len(there) == 2))]
        square = (known * points**2 + sum(each**2 for each in contrasts)) / (known + 2 * (n - 1))
        later = value(50.0, scores, 1.0, n, Deviation(math.sqrt(square), known + 2 * (n - 1)))
        found += judge([later, *[None] * (family - 1)])[0].verdict.word != "undecided"
    others = OtherSeeds.of(there, n) + OtherSeeds.of([], n)
    expected = chance_with_others(now, others, ALPHA / family)
    assert found / draws == pytest.approx(expected, abs=4 * math.sqrt(0.25 / draws))


def test_other_seeds_may_decide_or_undo():
    undecided, holds = (value(50.0, [50.6] * 3, 1.0, 3, Deviation(s, 4)) for s in (0.3, 0.2))
    assert [judge([each])[0].verdict.word for each in (undecided, holds)] == ["undecided", "holds"]
    more = OtherSeeds(coming=2)
    assert 0.05 < chance_with_others(undecided, more, ALPHA) < 0.95
    assert 0.05 < 1 - chance_with_others(holds, more, ALPHA) < 0.95


def test_without_others_it_is_what_it_is():
    for middle, points in ((50.0, 0.3), (51.5, 0.3), (60.0, 0.3)):
        now = value(50.0, [middle] * 3, 1.0, 3, Deviation(points, 10))
        word = judge([now])[0].verdict.word
        assert chance_with_others(now, NO_OTHERS, ALPHA) == (word != "undecided")


def chance_at(reported, scores, n, family=15):
    return chance(reported, 1, scores, n, deviation=0.3, family=family, methods=15)


def test_fewer_than_three_seeds_decide_nothing():
    assert [chance_at(50, [], n) for n in (0, 1, 2)] == [0, 0, 0]
    assert detectable(0.3, 1.0, 2, family=15, methods=15) is None
    assert chance_at(50, [], 3) > 0.5


def test_new_seeds_fall_where_those_there_lead_to_expect():
    far, near, between = [60.0, 60.1], [50.5, 50.6], [51.0, 51.4]
    assert chance_at(50, far, 3) > 0.999
    assert 0.1 < chance_at(50, near, 3) < chance_at(50, near, 10)
    assert chance_at(50, between, 10) < 0.3


def test_what_differs_takes_more_among_more_values():
    scores = [51.9, 52.1]
    assert chance_at(50, scores, 3, family=1) > chance_at(50, scores, 3, family=15) + 0.05


def test_what_is_found_takes_more_among_more_values_and_less_among_more_methods():
    def least(family, methods):
        return detectable(0.5, 1.0, 3, family=family, methods=methods)

    evidence = value(0.0, [0.0] * 3, 1.0, 3, Deviation(0.5, 30))
    assert least(15, 15) == pytest.approx(evidence.detectable(ALPHA / 15))
    assert least(1, 15) < least(15, 15) < least(15, 2)


def test_a_value_that_alone_is_reported_is_known_by_all_methods_of_its_column():
    twelve = chance(50.0, 1.0, [], 3, deviation=0.45, family=1, methods=12)
    assert twelve == chance_to_hold(0.45, 1.0, 3, 12) > 2 * chance_to_hold(0.45, 1.0, 3, 1)


def test_seeds_that_are_all_alike_hold():
    assert chance_to_hold(0.0, 1.0, 3, 1) == pytest.approx(1.0)
