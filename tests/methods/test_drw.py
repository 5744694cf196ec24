"""Deferred re-weighting of any loss, against the framework's weighted mean."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, losses, random_logits

from ltbench import Batch, Clock, Step, Task, build
from ltbench.blocks.group_gradients import exact_gradients, owned_gradients
from ltbench.errors import UsageError
from ltbench.networks import create

EARLY, LATE = Clock("train", 159, 200), Clock("train", 160, 200)


def effective_weights(beta=0.9999):
    raw = [(1 - beta) / (1 - beta**n) for n in COUNTS.tolist()]
    return torch.tensor(raw, dtype=torch.float64)


@given(seed=st.integers(0, 2**31))
def test_on_cross_entropy_it_is_the_frameworks_weighted_mean(seed):
    logits, targets = random_logits(seed)
    expected = F.cross_entropy(logits, targets, weight=effective_weights())
    for specification in ("drw", "ce+drw"):
        found = losses(specification, logits, targets, clock=LATE).mean()
        assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_its_gradient_is_the_frameworks_too():
    logits, targets = random_logits()
    logits.requires_grad_()
    (ours,) = torch.autograd.grad(losses("ce+drw", logits, targets, clock=LATE).mean(), logits)
    weighted = F.cross_entropy(logits, targets, weight=effective_weights())
    (theirs,) = torch.autograd.grad(weighted, logits)
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-7)


@pytest.mark.parametrize("base", ["ce", "focal(gamma=2)", "vs_loss", "balanced_softmax"])
def test_any_loss_is_re_weighted(base):
    logits, targets = random_logits()
    plain = losses(base, logits, targets, clock=LATE)
    weights = effective_weights()[targets]
    expected = (plain * weights).sum() / weights.sum()
    found = losses(f"{base}+drw", logits, targets, clock=LATE).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)


def test_with_margins_it_is_what_the_margin_loss_does_itself():
    logits, targets = random_logits()
    ours = losses("ldam_drw(defer=1)+drw", logits, targets, clock=LATE)
    theirs = losses("ldam_drw", logits, targets, clock=LATE)
    assert torch.allclose(ours, theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("epochs", "first"), [(200, 160), (10, 8), (5, 4)])
def test_it_begins_at_the_share_of_the_epochs_asked_for(epochs, first):
    logits, targets = random_logits()
    plain = losses("ce", logits, targets, clock=EARLY)
    clocks = [Clock("train", e, epochs) for e in range(epochs)]
    weighted = [not torch.equal(losses("drw", logits, targets, clock=c), plain) for c in clocks]
    assert weighted == [e >= first for e in range(epochs)]


def test_uniform_counts_give_the_plain_loss():
    logits, targets = random_logits()
    found = losses("ce+drw", logits, targets, torch.full((5,), 37), LATE)
    assert torch.equal(found, losses("ce", logits, targets, clock=LATE))


@pytest.mark.parametrize("take", [exact_gradients, owned_gradients])
@pytest.mark.parametrize("specification", ["ce+drw", "vs_loss+drw+mixup"])
def test_the_gradients_of_groups_are_those_of_re_weighted_and_mixed_losses(specification, take):
    """Weighted by their shares of the batch they add up to the batch's gradient."""
    method = build(specification)
    method.setup(Task(COUNTS))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = create("resnet8", 3, 5).double().train()
    images = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    batch, members = Batch((images,), torch.arange(8) % 5, torch.arange(8)), torch.arange(8) % 3
    step = Step(method, network, batch, LATE)
    whole = step.gradients(step.objective())
    _, gradients = take(step, members)
    shares = [size / 8 for size in members.bincount().tolist()]
    for name, part in whole.items():
        total = sum(share * gradients[group][name] for group, share in enumerate(shares))
        assert torch.allclose(total, part, rtol=0, atol=1e-10)
    assert (whole["classifier.bias"] - plain_bias_gradient(network, images)).abs().max() > 1e-2


def plain_bias_gradient(network, images):
    value = F.cross_entropy(network(images)["logits"], torch.arange(8) % 5)
    return torch.autograd.grad(value, network.classifier.bias)[0]


@pytest.mark.parametrize("parameters", ["beta=1.0", "beta=-0.1", "defer=1.5"])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(UsageError, match="must be from 0 to "):
        build(f"drw({parameters})")


@pytest.mark.parametrize("base", ["ldam_drw", "ride"])
def test_a_base_that_defers_a_re_weighting_of_its_own_is_refused(base):
    with pytest.raises(UsageError, match=f"{base} defers a re-weighting of its own"):
        build(f"{base}+drw")
