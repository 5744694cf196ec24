"""LADE by closed form: the prior's term and the estimate, class by class."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, losses, random_logits

from ltbench import Recipe, build


def estimate(logits, targets, lam, counts=COUNTS):
    """L_DV by loops over classes and images."""
    total, classes, size = 0.0, len(counts), len(targets)
    for c, count in enumerate(counts.tolist()):
        prior = count / sum(counts.tolist())
        own = [row[c].item() for row, y in zip(logits, targets.tolist(), strict=True) if y == c]
        first = sum(own) / len(own) if own else 0.0
        second = math.log(sum(math.exp(row[c].item()) / (classes * prior) for row in logits) / size)
        total -= prior * (first - second - lam * second**2)
    return total


@given(seed=st.integers(0, 2**31))
def test_the_loss_is_the_adjusted_cross_entropy_and_the_estimate(seed):
    logits, targets = random_logits(seed)
    prior = losses("balanced_softmax", logits, targets)
    for parameters, alpha, lam in (("", 0.1, 0.01), ("(alpha=0.5, lam=0.3)", 0.5, 0.3)):
        expected = prior + alpha * estimate(logits, targets, lam)
        found = losses(f"lade{parameters}", logits, targets)
        assert torch.allclose(found, expected, rtol=0, atol=2e-5)  # priors in float32


def test_a_class_missing_from_the_batch_has_no_first_term():
    logits, _ = random_logits()
    targets = torch.zeros(16, dtype=torch.int64)
    found = losses("lade", logits, targets)
    expected = losses("balanced_softmax", logits, targets)
    assert torch.allclose(found, expected + 0.1 * estimate(logits, targets, 0.01), atol=2e-5)


def test_a_hand_value():
    """Uniform counts and constant logits a: first and second term are a, the estimate lam a^2."""
    logits, targets = torch.full((2, 2), 3.0, dtype=torch.float64), torch.tensor([0, 1])
    found = losses("lade(alpha=1.0, lam=0.5)", logits, targets, torch.tensor([4, 4]))
    assert found.tolist() == pytest.approx([math.log(2) + 4.5] * 2, abs=1e-6)


def test_alpha_zero_is_balanced_softmax():
    logits, targets = random_logits()
    found = losses("lade(alpha=0.0)", logits, targets)
    assert torch.allclose(found, losses("balanced_softmax", logits, targets), atol=2e-6)


def test_uniform_counts_without_the_estimate_are_cross_entropy():
    logits, targets = random_logits()
    found = losses("lade(alpha=0.0)", logits, targets, torch.full((5,), 37))
    assert torch.allclose(found, losses("ce", logits, targets), rtol=0, atol=1e-6)


def test_the_recipe_is_the_official_one_under_the_protocol_of_the_field():
    recipe = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)
    (stage,) = build("lade").stages(recipe)
    own = stage.recipe
    assert (own.epochs, own.batch_size, own.learning_rate) == (200, 256, 0.2)
    assert own.weight_decay == pytest.approx(5e-4)
    rates = [own.learning_rate_at(e) for e in (119, 120, 159, 160)]
    assert rates == pytest.approx([0.2, 0.002, 0.002, 0.00002])
