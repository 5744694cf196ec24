"""Focal loss by closed form."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from made_methods import losses, random_logits

from ltbench import Clock

CLOCK = Clock("train", 0, 200)


def two_logits(probability):
    """Logits of two classes whose first has a given probability."""
    odds = math.log(probability / (1 - probability))
    return torch.tensor([[odds, 0.0]], dtype=torch.float64), torch.tensor([0])


def test_gamma_zero_is_cross_entropy_with_its_gradient():
    logits, targets = random_logits()
    logits.requires_grad_()
    focal, plain = losses("focal(gamma=0)", logits, targets), losses("ce", logits, targets)
    assert torch.equal(focal, plain)
    ours, theirs = (torch.autograd.grad(x.sum(), logits)[0] for x in (focal, plain))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("gamma", "probability", "value"),
    [
        (2, 0.9, 0.0010536051565782628),  # 0.1^2 * -log 0.9
        (2, 0.25, 0.7797905781299385),  # 0.75^2 * -log 0.25
        (1, 0.5, 0.34657359027997264),  # 0.5 * log 2
        (5, 0.5, 0.021660849392498290),  # log 2 / 32
    ],
)
def test_hand_values(gamma, probability, value):
    logits, targets = two_logits(probability)
    found = losses(f"focal(gamma={gamma})", logits, targets)
    assert found.item() == pytest.approx(value, rel=1e-10)


@given(seed=st.integers(0, 2**31), gamma=st.floats(0.1, 5))
def test_the_loss_is_the_cross_entropy_times_the_miss_to_the_gamma(seed, gamma):
    logits, targets = random_logits(seed)
    chosen = logits.softmax(1)[torch.arange(16), targets]
    expected = -((1 - chosen) ** gamma) * chosen.log()
    assert torch.allclose(losses(f"focal(gamma={gamma!r})", logits, targets), expected, rtol=1e-8)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_gradient_flows_through_both_factors(gamma):
    """d/dp of -(1 - p)^g log p, times dp/do = p (1 - p) for two classes."""
    for p in (0.1, 0.5, 0.9):
        logits, targets = two_logits(p)
        logits.requires_grad_()
        losses(f"focal(gamma={gamma})", logits, targets).sum().backward()
        by_p = gamma * (1 - p) ** (gamma - 1) * math.log(p) - (1 - p) ** gamma / p
        assert logits.grad[0, 0].item() == pytest.approx(by_p * p * (1 - p), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("sure", [20.0, 100.0, 1e4])
def test_loss_and_gradient_are_finite_where_the_target_s_probability_is_one(gamma, sure, dtype):
    logits = torch.tensor([[sure, 0.0, 0.0]], dtype=dtype, requires_grad=True)
    found = losses(f"focal(gamma={gamma})", logits, torch.tensor([0]))
    found.sum().backward()
    assert found.isfinite().all()
    assert logits.grad.isfinite().all()
    assert 0 <= found.item() < 1e-6
    assert logits.grad.abs().max().item() < 1e-6


def test_loss_and_gradient_are_finite_where_the_target_s_probability_is_zero():
    logits = torch.tensor([[-1e4, 0.0]], requires_grad=True)
    found = losses("focal(gamma=2)", logits, torch.tensor([0]))
    found.sum().backward()
    assert found.item() == pytest.approx(1e4)
    assert logits.grad[0].tolist() == pytest.approx([-1, 1])


def test_the_default_is_the_gamma_of_the_long_tailed_baselines():
    logits, targets = random_logits()
    plain = F.cross_entropy(logits, targets, reduction="none")
    expected = (1 - (-plain).exp()) * plain
    assert torch.allclose(losses("focal", logits, targets), expected, rtol=1e-10)
