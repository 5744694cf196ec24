"""Losses of several labels an image: values by hand, and gradients that stay finite."""

import math

import pytest
import torch

from ltbench.api.task import Task
from ltbench.blocks.label_loss import (
    focused,
    logit_prevalence,
    negative_tolerant,
    rebalancing,
    surprise,
)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def test_the_surprise_of_a_logit_is_minus_the_log_of_its_probability():
    logits, targets = torch.tensor([[0.0, 2.0, 2.0]]), torch.tensor([[1.0, 1.0, 0.0]])
    expected = [math.log(2), -math.log(sigmoid(2)), -math.log(1 - sigmoid(2))]
    assert surprise(logits, targets)[0].tolist() == pytest.approx(expected)


def test_a_focal_factor_is_the_missed_probability_to_a_power():
    losses = -torch.tensor([0.9, 0.5]).log()
    assert torch.equal(focused(losses, 0.0), losses)
    expected = [0.1**2 * -math.log(0.9), 0.5**2 * math.log(2)]
    assert focused(losses, 2.0).tolist() == pytest.approx(expected)


def test_a_certain_label_has_a_finite_gradient():
    losses = torch.zeros(1, requires_grad=True)
    focused(losses, 0.5).sum().backward()
    assert losses.grad.isfinite().all()


def test_rebalancing_is_of_how_likely_an_image_was_drawn_for_a_label():
    """Labels of 1 and 9 images: an image with both was drawn for the first in 9 of 10 cases."""
    counts, targets = torch.tensor([1, 9]), torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    found = rebalancing(counts, targets, alpha=0.1, beta=10.0, mu=0.2)
    assert found[0].tolist() == pytest.approx([0.1 + sigmoid(7), 0.1 + sigmoid(-1)])
    assert found[1, 1].item() == pytest.approx(0.1 + sigmoid(8))  # it has no other label
    assert found[2].tolist() == pytest.approx([0.1 + sigmoid(8)] * 2)  # it has none: rho = 1


def test_prevalence_of_a_label_on_every_image_is_finite():
    task = Task(torch.tensor([5, 10, 1]), kind="multi", images=10)
    expected = [0.0, math.log(9.5 / 0.5), math.log(1 / 9)]
    assert logit_prevalence(task).tolist() == pytest.approx(expected)


def test_negatives_are_scaled_inside_and_divided_outside():
    logits, targets = torch.tensor([[1.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    losses, scales = negative_tolerant(logits, targets, 5.0)
    assert scales.tolist() == [[1.0, 5.0]]
    assert losses[0].tolist() == pytest.approx([math.log1p(math.exp(-1)), math.log1p(math.exp(5))])
