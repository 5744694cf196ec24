"""The logit-adjusted loss by closed form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, losses, random_logits

from ltbench import build


@given(seed=st.integers(0, 2**31), tau=st.floats(0, 3))
def test_the_loss_is_the_cross_entropy_of_the_logits_plus_tau_log_prior(seed, tau):
    logits, targets = random_logits(seed)
    weighted = logits.exp() * (COUNTS / COUNTS.sum().double()) ** tau
    expected = -(weighted[torch.arange(16), targets] / weighted.sum(1)).log()
    found = losses(f"logit_adjustment(tau={tau!r})", logits, targets)
    assert torch.allclose(found, expected, rtol=0, atol=5e-6)


def test_a_hand_value():
    """Equal logits and tau = 2: the probabilities are the squared shares, 9/10 and 1/10."""
    logits = torch.zeros(2, 2, dtype=torch.float64)
    found = losses("logit_adjustment(tau=2)", logits, torch.tensor([0, 1]), torch.tensor([3, 1]))
    assert found.tolist() == pytest.approx([0.10536051565782628, 2.302585092994046], abs=1e-6)


@pytest.mark.parametrize("tau", [0, 1, 2.5])
def test_uniform_counts_reduce_it_to_cross_entropy(tau):
    logits, targets = random_logits()
    ours = losses(f"logit_adjustment(tau={tau})", logits, targets, torch.full((5,), 13))
    assert torch.allclose(ours, losses("ce", logits, targets), rtol=0, atol=1e-12)


def test_tau_zero_is_cross_entropy():
    logits, targets = random_logits()
    ours = losses("logit_adjustment(tau=0)", logits, targets)
    assert torch.equal(ours, losses("ce", logits, targets))


def test_prediction_is_plain():
    logits = torch.randn(4, 5)
    assert build("logit_adjustment").adjust_logits(logits) is logits
