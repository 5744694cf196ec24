"""Deviations that a plan takes for granted: pooled over what is alike, else the usual ones."""

import math
from statistics import variance

import pytest

from ltbench.planning.spread import USUAL, SeedDeviations

PAPER = ("cifar100_lt", "resnet32", "paper")


def records(make_record, values, method="ce", **changes):
    return [make_record(method, seed, top1, **changes) for seed, top1 in enumerate(values)]


def test_methods_and_ratios_of_a_data_set_are_pooled_by_their_degrees_of_freedom(make_record):
    first, second, third = [38.0, 39.0, 40.0], [50.0, 54.0], [60.0]
    found = SeedDeviations([
        *records(make_record, first),
        *records(make_record, second, "sam", dataset="cifar100_lt(imbalance=10)"),
        *records(make_record, third, "focal"),
    ]).of(*PAPER, "top1")  # fmt: skip
    pooled = (2 * variance(first) + variance(second)) / 3
    assert found.points == pytest.approx(math.sqrt(pooled))
    assert found.freedom == 3


@pytest.mark.parametrize(
    "changes",
    [{"protocol": "fast"}, {"network": "resnet8"}, {"dataset": "cifar10_lt(imbalance=100)"}],
)
def test_other_protocols_networks_and_data_sets_say_nothing(make_record, changes):
    found = SeedDeviations(records(make_record, [30.0, 50.0, 70.0], **changes))
    assert (found.of(*PAPER, "top1").points, found.of(*PAPER, "top1").freedom) == (USUAL, 0)


def test_seeds_that_all_score_the_same_measure_nothing(make_record):
    same = [make_record("ce", seed, 30.0, shots=(60.0, 20.0 + seed, 0.0)) for seed in range(2)]
    found = SeedDeviations(same)
    assert found.of(*PAPER, "few") == SeedDeviations([]).of(*PAPER, "few")
    assert found.of(*PAPER, "medium").points == pytest.approx(math.sqrt(0.5))


def test_a_shot_group_without_records_spreads_like_the_mean_of_a_third_of_the_classes():
    none = SeedDeviations([])
    assert none.of(*PAPER, "few").points == pytest.approx(USUAL * math.sqrt(3))
    assert none.of(*PAPER, "mAP").points == USUAL
