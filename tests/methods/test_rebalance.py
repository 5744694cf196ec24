"""Prediction re-balancing against its definition and a hand example."""

import math

import pytest
import torch

from ltbench import Task, build, describe
from ltbench.registry.methods import role, trained_part
from ltbench.testing import conformance


def rebalance(**parameters):
    written = ", ".join(f"{name}={value}" for name, value in parameters.items())
    method = build(f"ce+rebalance({written})").parts[1]
    method.setup(Task(torch.tensor([9, 3, 1])))
    return method


def logits(images=7, classes=3):
    draw = torch.Generator().manual_seed(0)
    return 3 * torch.randn(images, classes, generator=draw, dtype=torch.float64)


def test_tau_zero_changes_nothing():
    given = logits()
    assert torch.equal(rebalance(tau=0.0).adjust_logits(given), given)


def test_a_hand_example():
    """Shares (0.9, 0.1) and (0.6, 0.4): masses 1.5 and 0.5, so the second image changes class."""
    shares = torch.tensor([[0.9, 0.1], [0.6, 0.4]], dtype=torch.float64)
    adjusted = rebalance().adjust_logits(shares.log())
    expected = torch.tensor([[0.9 / 1.5, 0.1 / 0.5], [0.6 / 1.5, 0.4 / 0.5]], dtype=torch.float64)
    torch.testing.assert_close(adjusted.exp(), expected)
    assert adjusted.argmax(1).tolist() == [0, 1]
    assert shares.argmax(1).tolist() == [0, 0]


@pytest.mark.parametrize("tau", [0.5, 1.0, 1.7])
def test_it_is_the_definition_by_loops(tau):
    given = logits()
    shares = [[math.exp(z) / sum(map(math.exp, row)) for z in row] for row in given.tolist()]
    masses = [sum(column) for column in zip(*shares, strict=True)]
    divided = [[s / m**tau for s, m in zip(row, masses, strict=True)] for row in shares]
    expected = torch.tensor([[d / sum(row) for d in row] for row in divided], dtype=torch.float64)
    torch.testing.assert_close(rebalance(tau=tau).adjust_logits(given).softmax(1), expected)


def test_a_shift_of_an_image_s_logits_does_not_matter():
    given, shift = logits(), torch.arange(7, dtype=torch.float64).unsqueeze(1)
    plain, shifted = rebalance().adjust_logits(given), rebalance().adjust_logits(given + shift)
    torch.testing.assert_close(shifted.softmax(1), plain.softmax(1))


def test_equal_masses_change_no_prediction():
    given = logits(1).repeat(3, 1)
    given = torch.stack([row.roll(shift) for shift, row in enumerate(given)])
    adjusted = rebalance().adjust_logits(given)
    torch.testing.assert_close(adjusted.softmax(1), given.softmax(1))


def test_a_class_never_predicted_stays_finite():
    given = torch.tensor([[0.0, -2000.0, 1.0], [2.0, -3000.0, 0.0]])
    assert rebalance().adjust_logits(given).isfinite().all()


def test_it_is_post_hoc_and_says_that_it_is_transductive():
    method = build("gala+rebalance(tau=1.5)")
    assert describe(trained_part(method)) == "gala"
    assert role(type(method.parts[1])) == "post-hoc"
    assert any("transductive" in line for line in method.parts[1].deviations)


@pytest.mark.slow
def test_conformance():
    assert conformance.check("gala+rebalance") == []
