"""Calibration of logits by hand, by the engine's own measure, and temperatures that are known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltbench.evaluation.calibration import calibration, halves, temperature
from ltbench.evaluation.metrics import calibration_error, reliability
from ltbench.figures.reliability import error_of

EVEN = np.full(4, 0.25)


def drawn(seed: int, images: int = 200, classes: int = 5, scale: float = 3.0):
    """Logits, and labels drawn from just the probabilities that those logits state."""
    rng = np.random.default_rng(seed)
    logits = scale * rng.normal(size=(images, classes))
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = np.array([rng.choice(classes, p=row) for row in shares])
    return logits, labels


def test_hand_values_of_error_log_loss_and_brier_score():
    # Confidences 0.8, 0.8, 0.8, 0.6, of which the first two and the last are right.
    logits = np.log([[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.6, 0.4]])
    labels = np.array([0, 1, 1, 0])
    found = calibration(logits, labels, EVEN, bins=10)
    assert found.error == pytest.approx(100 * (abs(2 - 2.4) + abs(1 - 0.6)) / 4)
    assert found.log_loss == pytest.approx(-np.log([0.8, 0.8, 0.2, 0.6]).mean())
    assert found.brier == pytest.approx((2 * 0.04 * 2 + 2 * 0.64 + 2 * 0.16) / 4)
    one_bin = calibration(logits, labels, EVEN, bins=1)
    assert one_bin.error == pytest.approx(100 * abs(3 - 3.0) / 4)


@given(st.integers(0, 50), st.sampled_from([0.3, 3.0, 30.0]), st.integers(1, 30))
def test_the_error_is_the_weighted_gap_bin_by_bin(seed, scale, bins):
    logits, labels = drawn(seed, scale=scale)
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(labels)))
    likely = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    hits, expected = likely.argmax(1) == labels, 0.0
    for number in range(bins):
        inside = (likely.max(1) > number / bins) & (likely.max(1) <= (number + 1) / bins)
        expected += 100 * abs((weights * (hits - likely.max(1)))[inside].sum())
    assert calibration(logits, labels, weights, bins).error == pytest.approx(expected, abs=1e-9)


def test_fifteen_bins_and_equal_weights_are_the_records_measure():
    logits, labels = drawn(0)
    ours = calibration(logits, labels, np.full(len(labels), 1 / len(labels)), bins=15)
    theirs = calibration_error(torch.from_numpy(logits), torch.from_numpy(labels))
    assert ours.error == pytest.approx(theirs, abs=1e-9)


@given(st.integers(0, 20))
def test_a_weight_of_two_is_an_image_twice(seed):
    logits, labels = drawn(seed, images=20)
    weights = np.ones(20)
    weights[3] = 2
    twice = np.append(np.arange(20), 3)
    weighed = calibration(logits, labels, weights / 21, 7)
    repeated = calibration(logits[twice], labels[twice], np.full(21, 1 / 21), 7)
    assert list(vars(weighed).values()) == pytest.approx(list(vars(repeated).values()))


@pytest.mark.parametrize("true", [0.25, 1.0, 4.0])
def test_a_temperature_that_was_put_in_is_found(true):
    logits, labels = drawn(1, images=20_000)
    assert temperature(logits * true, labels) == pytest.approx(true, rel=0.05)


def test_where_all_is_right_or_nothing_is_there_is_no_temperature():
    assert temperature(np.eye(3), np.arange(3)) is None  # the loss falls to 0 with T
    assert temperature(np.eye(3), np.roll(np.arange(3), 1)) is None  # and here with 1 / T


def test_halves_share_every_class():
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 1, 1])
    first = halves(labels)
    assert first.sum() == 5  # the one image of class 2 is in it
    for c in (0, 1):
        assert first[labels == c].sum() == (labels == c).sum() / 2


def test_the_reliability_table_by_hand():
    # As in `test_by_hand`: confidences 0.8, 0.8, 0.8, 0.6, of which one of 0.8 is wrong.
    logits = torch.tensor([[0.8, 0.2], [0.2, 0.8], [0.8, 0.2], [0.6, 0.4]]).log()
    images, right, confidence = reliability(logits, torch.tensor([0, 1, 1, 0]), bins=4)
    assert images.tolist() == [0, 0, 1, 3]
    assert right.tolist() == [0, 0, 1, 2]
    assert confidence.tolist() == pytest.approx([0, 0, 0.6, 2.4])


@given(st.integers(0, 50), st.integers(1, 30))
def test_the_reliability_tables_of_two_runs_add_up_and_give_the_calibration_error(seed, bins):
    (first, own), (second, others) = drawn(seed), drawn(seed + 1000, scale=0.3)
    both = torch.from_numpy(np.concatenate((first, second)))
    labels = torch.from_numpy(np.concatenate((own, others)))
    table = reliability(both, labels, bins)
    parts = (first, own), (second, others)
    one, other = (reliability(*map(torch.from_numpy, part), bins) for part in parts)
    torch.testing.assert_close(table, one + other)
    assert error_of(table.numpy()) == pytest.approx(calibration_error(both, labels, bins=bins))
