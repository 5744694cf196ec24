"""VS loss by closed form."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, START, batch_of, losses, random_logits, with_network

from ltbench import Step


@pytest.mark.parametrize(
    ("specification", "gamma", "tau"),
    [("vs_loss", 0.05, 0.75), ("vs_loss@cifar10", 0.15, 1.25), ("vs_loss(gamma=1.0)", 1, 0.75)],
)
@given(seed=st.integers(0, 2**31))
def test_the_loss_is_the_papers_element_by_element(specification, gamma, tau, seed):
    logits, targets = random_logits(seed)
    total, most = sum(COUNTS.tolist()), max(COUNTS.tolist())
    powers = torch.stack([
        (logits[:, c] / (most / n) ** gamma).exp() * (n / total) ** tau
        for c, n in enumerate(COUNTS.tolist())
    ])  # fmt: skip
    expected = -(powers[targets, torch.arange(16)] / powers.sum(0)).log()
    found = losses(specification, logits, targets)
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)  # counts enter in float32


def test_a_hand_value():
    """Counts 4 and 1, gamma 1/2, tau 0: the second logit is halved."""
    logits = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    found = losses("vs_loss(gamma=0.5, tau=0)", logits, torch.tensor([1]), torch.tensor([4, 1]))
    assert found.item() == pytest.approx(0.6931471805599453, abs=1e-7)


def test_gamma_zero_is_logit_adjustment():
    logits, targets = random_logits()
    ours = losses("vs_loss(gamma=0, tau=1.5)", logits, targets)
    assert torch.equal(ours, losses("logit_adjustment(tau=1.5)", logits, targets))


def test_gamma_and_tau_zero_are_cross_entropy():
    logits, targets = random_logits()
    ours = losses("vs_loss(gamma=0, tau=0)", logits, targets)
    assert torch.allclose(ours, losses("ce", logits, targets), rtol=0, atol=1e-12)


@pytest.mark.parametrize("count", [1, 37])
def test_uniform_counts_reduce_it_to_cross_entropy(count):
    logits, targets = random_logits()
    ours = losses("vs_loss", logits, targets, torch.full((5,), count))
    assert torch.allclose(ours, losses("ce", logits, targets), rtol=0, atol=1e-6)


def test_with_sam_the_gradient_is_taken_at_weights_displaced_along_it():
    method, network = with_network("vs_loss+sam(rho=0.1)")
    batch = batch_of(torch.arange(8) % 5)
    method.backward(Step(method, network, batch, START))
    found = [p.grad.clone() for p in network.parameters()]

    def evaluate():
        network.zero_grad()
        method.losses(network(batch.images), batch, START).mean().backward()
        return [p.grad.clone() for p in network.parameters()]

    climb = evaluate()
    total = sum(part.square().sum() for part in climb).sqrt()
    with torch.no_grad():
        for parameter, part in zip(network.parameters(), climb, strict=True):
            parameter.add_(0.1 * part / total)
    for ours, theirs in zip(found, evaluate(), strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-9)
