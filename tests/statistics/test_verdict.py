"""The decision rule: by hand, and its error rates by simulation (docs/verdicts.md states them)."""

import math

import numpy as np
import pytest
import scipy.stats

from ltbench.statistics.estimates import ALPHA
from ltbench.statistics.verdict import (
    Evidence,
    Verdict,
    decided,
    gain,
    gain_tolerance,
    holm,
    judge,
    value,
)

SEEDS = [3, 5, 10]
TRIES = 4000
NOISE = 3 * math.sqrt(ALPHA * (1 - ALPHA) / TRIES)  # of a simulated rate of 5 %


# -- by hand ---------------------------------------------------------------------------------


def test_holds_where_the_interval_lies_within_the_tolerance():
    scores = [52.9, 53.1, 53.3]  # mean 53.1, half-width t(2) 0.2 / sqrt(3) = 0.497
    assert judge(value(53.2, scores, 1.0)) == Verdict("holds")
    assert judge(value(53.2, scores, 0.597)) == Verdict("holds")
    assert judge(value(53.2, scores, 0.596)).word == "undecided"
    assert judge(value(53.7, scores, 1.0)).word == "undecided"


def test_p_value_is_that_of_one_more_draw_beyond_the_tolerance():
    scores = [50.0, 50.4, 50.2, 49.8]
    compared = value(53.2, scores, 1.0)
    spread = np.std(scores, ddof=1) * math.sqrt(1 + 1 / 4)
    statistic = (abs(np.mean(scores) - 53.2) - 1.0) / spread
    assert compared.p_value() == pytest.approx(2 * scipy.stats.t.sf(statistic, 3))
    assert judge(compared) == Verdict("differs")
    assert judge(compared, alpha=compared.p_value() / 2).word == "undecided"
    assert value(50.5, scores, 1.0).p_value() == 1.0


def test_without_a_tolerance_it_is_the_prediction_interval():
    scores = [50.0, 50.4, 50.2, 49.8]
    half = scipy.stats.t.ppf(0.975, 3) * np.std(scores, ddof=1) * math.sqrt(5 / 4)
    assert decided(value(np.mean(scores) + half - 1e-6, scores, 0.0)) is None
    assert decided(value(np.mean(scores) + half + 1e-6, scores, 0.0)) == "differs"


@pytest.mark.parametrize(("scores", "more"), [([50.0], 2), ([50.0, 50.1], 1)])
def test_fewer_than_three_seeds_decide_nothing(scores, more):
    assert judge(value(90.0, scores, 1.0)) == Verdict("undecided", more)
    assert judge(value(50.0, scores, 1.0)) == Verdict("undecided", more)


def test_the_seeds_that_are_missing_would_decide():
    scores = [52.0, 54.0, 53.0]
    verdict = judge(value(53.2, scores, 1.0))
    assert verdict.word == "undecided"
    spread, n = np.std(scores, ddof=1), 3 + verdict.more

    def half(n):
        return scipy.stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n)

    assert 0.2 + half(n) <= 1.0 < 0.2 + half(n - 1)
    assert str(verdict) == f"undecided: about {verdict.more} more seeds"
    assert str(Verdict("undecided", 1)) == "undecided: about 1 more seed"


def test_one_reported_seed_may_leave_it_open_for_ever():
    verdict = judge(value(54.6, [52.6, 53.4, 53.0], 1.0))  # 1.6 off: beyond 1, within 1 + 1.96 s
    assert verdict == Verdict("undecided", None)
    assert str(verdict) == "undecided: more seeds alone would not decide"


def test_equal_scores_have_no_spread():
    assert judge(value(50.5, [50.0] * 3, 1.0)) == Verdict("holds")
    assert judge(value(51.5, [50.0] * 3, 1.0)) == Verdict("differs")


def test_a_gain_is_paired():
    base, lift = [48.0, 50.0, 52.0], [1.2, 1.3, 1.4]
    ours = [score + each for score, each in zip(base, lift, strict=True)]
    compared = gain(1.3, ours, base, 0.65)
    assert compared.mean == pytest.approx(1.3)
    assert compared.deviation == pytest.approx(0.1)  # not the 2 points of the seeds
    assert compared.noise == pytest.approx(math.sqrt(np.var(ours, ddof=1) + 4))
    assert judge(compared) == Verdict("holds")


def test_a_gain_holds_only_with_its_sign():
    base, lift = [50.0] * 4, [0.1, 0.0, 0.2, 0.1]
    ours = [score + each for score, each in zip(base, lift, strict=True)]
    assert abs(gain(0.2, ours, base, 0.3).difference) < 0.3
    assert judge(gain(0.2, ours, base, 0.3)).word == "undecided"  # 0.1 ± 0.13 may be no gain
    assert judge(gain(-0.2, base, ours, 0.3)).word == "undecided"
    ours = [score + 0.15 + each / 10 for score, each in zip(base, lift, strict=True)]
    assert judge(gain(0.2, ours, base, 0.3)) == Verdict("holds")
    assert judge(gain(-0.2, base, ours, 0.3)) == Verdict("holds")


def test_tolerance_of_a_gain_is_half_of_it_within_bounds():
    tolerances = [gain_tolerance(reported, 1.0) for reported in (0.2, 0.6, 1.3, -1.3, -5.5)]
    assert tolerances == [0.3, 0.3, 0.65, 0.65, 1.0]


@pytest.mark.parametrize("n", SEEDS)
def test_the_detectable_difference_is_found_in_four_of_five_tries(n):
    random = np.random.default_rng(n)
    known = Evidence(50.0, 1.0, 50.0, 0.4, n, 0.4).detectable()
    found = 0
    for _ in range(TRIES):
        reported, *scores = random.normal(50, 0.4, n + 1).tolist()
        found += decided(value(reported, [each + known for each in scores], 1.0)) == "differs"
    assert found / TRIES == pytest.approx(0.8, abs=0.02)


# -- error rates -----------------------------------------------------------------------------


def _rates(n, draw, *, tolerance, shift=0.0, apart=0.0):
    random = np.random.default_rng(n)
    words = []
    for _ in range(TRIES):
        reported, *scores = draw(random, n + 1).tolist()
        reported = round(50 + reported + shift, 1)
        words.append(decided(value(reported, [50 + apart + each for each in scores], tolerance)))
    return {word: words.count(word) / TRIES for word in ("holds", "differs", None)}


def normal(deviation):
    return lambda random, size: random.normal(0, deviation, size)


@pytest.mark.parametrize("deviation", [0.3, 0.6, 1.2])
@pytest.mark.parametrize("n", SEEDS)
def test_values_that_do_not_differ_are_called_different_in_less_than_5_of_100(n, deviation):
    assert _rates(n, normal(deviation), tolerance=1.0)["differs"] <= 0.015
    # the whole tolerance used up by the choice of the epoch
    assert _rates(n, normal(deviation), tolerance=1.0, shift=1.0)["differs"] <= 0.04
    # no tolerance at all: exactly 5 of 100
    assert _rates(n, normal(deviation), tolerance=0.0)["differs"] <= ALPHA + NOISE


@pytest.mark.parametrize(
    "draw",
    [
        lambda random, size: random.laplace(0, 0.5, size),
        lambda random, size: random.exponential(0.7, size),
        lambda random, size: random.uniform(-1, 1, size),
        lambda random, size: 0.5 * random.standard_t(3, size),
    ],
    ids=["laplace", "exponential", "uniform", "t3"],
)
@pytest.mark.parametrize("n", SEEDS)
def test_other_noise_than_normal_does_not_matter(n, draw):
    assert _rates(n, draw, tolerance=1.0)["differs"] <= ALPHA


@pytest.mark.parametrize("n", SEEDS)
def test_a_mean_beyond_the_tolerance_is_said_to_hold_in_less_than_5_of_100(n):
    random = np.random.default_rng(n)
    held = 0
    for _ in range(TRIES):
        scores = random.normal(51.0, 0.4, n).tolist()  # its true mean is at the tolerance's edge
        held += decided(value(50.0, scores, 1.0)) == "holds"
    assert held / TRIES <= ALPHA / 2 + NOISE


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("n", SEEDS)
def test_gains_that_do_not_differ_are_called_different_in_less_than_5_of_100(n, shared):
    """`shared` is the correlation of two methods' scores of one seed; the paper's share nothing."""
    random, differ = np.random.default_rng(n), {0.65: 0, 0.0: 0}
    for _ in range(TRIES):
        common, ours, base = random.normal(0, 0.4, (3, n))
        ours = math.sqrt(shared) * common + math.sqrt(1 - shared) * ours + 1.3
        base = math.sqrt(shared) * common + math.sqrt(1 - shared) * base
        reported = 1.3 + random.normal(0, 0.4) - random.normal(0, 0.4)
        for tolerance in differ:
            compared = gain(reported, ours.tolist(), base.tolist(), tolerance)
            differ[tolerance] += decided(compared) == "differs"
    assert differ[0.65] / TRIES <= 0.03
    assert differ[0.0] / TRIES <= ALPHA + NOISE


@pytest.mark.parametrize("n", SEEDS)
def test_one_of_a_column_is_called_different_in_less_than_5_of_100(n):
    random, wrong, columns = np.random.default_rng(n), 0, 1000
    for _ in range(columns):
        draws = random.normal(50, 0.4, (15, n + 1)).tolist()
        p_values = [value(row[0], row[1:], 0.0).p_value() for row in draws]
        wrong += min(holm(p_values)) <= ALPHA
    assert wrong / columns <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / columns)


def test_looking_after_every_seed_stays_below_5_of_100():
    random, wrong = np.random.default_rng(0), 0
    for _ in range(TRIES):
        reported, *scores = random.normal(50, 0.6, 11).tolist()
        looks = (decided(value(reported, scores[:n], 1.0)) for n in range(3, 11))
        wrong += "differs" in looks
    assert wrong / TRIES <= ALPHA
