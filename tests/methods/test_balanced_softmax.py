"""Balanced Softmax by closed form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, losses, random_logits

from ltbench import build


@given(seed=st.integers(0, 2**31))
def test_the_softmax_is_weighted_by_the_class_counts(seed):
    logits, targets = random_logits(seed)
    weighted = COUNTS * logits.exp()
    expected = -(weighted[torch.arange(16), targets] / weighted.sum(1)).log()
    # The counts' logarithms are taken once, in float32.
    found = losses("balanced_softmax", logits, targets)
    assert torch.allclose(found, expected, rtol=0, atol=2e-6)


def test_a_hand_value():
    """Equal logits: the probability of a class is its share of the images."""
    logits = torch.zeros(2, 2, dtype=torch.float64)
    found = losses("balanced_softmax", logits, torch.tensor([0, 1]), torch.tensor([3, 1]))
    assert found.tolist() == pytest.approx([0.2876820724517809, 1.3862943611198906], abs=1e-6)


@given(seed=st.integers(0, 2**31))
def test_it_is_logit_adjustment_with_tau_one(seed):
    """Counts and priors differ by the constant log N, which the softmax does not see."""
    logits, targets = random_logits(seed)
    ours = losses("balanced_softmax", logits, targets)
    theirs = losses("logit_adjustment(tau=1)", logits, targets)
    assert torch.allclose(ours, theirs, rtol=0, atol=2e-6)


@pytest.mark.parametrize("count", [1, 7, 500])
def test_uniform_counts_reduce_it_to_cross_entropy(count):
    logits, targets = random_logits()
    counts = torch.full((5,), count)
    ours = losses("balanced_softmax", logits, targets, counts)
    assert torch.allclose(ours, losses("ce", logits, targets), rtol=0, atol=1e-12)


def test_scaling_all_counts_changes_nothing():
    logits, targets = random_logits()
    ours = losses("balanced_softmax", logits, targets)
    scaled = losses("balanced_softmax", logits, targets, 10 * COUNTS)
    assert torch.allclose(ours, scaled, rtol=0, atol=2e-6)


def test_prediction_is_plain():
    logits = torch.randn(4, 5)
    assert build("balanced_softmax").adjust_logits(logits) is logits
