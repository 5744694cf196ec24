"""SAM against an independent implementation that moves the weights in place."""

import copy

import pytest
import torch
from made_methods import random_batch, with_network
from torch import nn

from ltbench import Clock, Recipe, Stage, Step
from ltbench.engine.train import optimiser_for

COUNTS = (40, 20, 10, 5, 1)
EARLY, LATE = Clock("train", 0, 10), Clock("train", 9, 10)
RECIPE = Recipe(10, 16, learning_rate=0.1, weight_decay=0.05, momentum=0.0)
DOUBLE = torch.float64


def set_up(specification, dtype=DOUBLE):
    """A bound method, its network in training mode, and a batch."""
    return *with_network(specification, COUNTS, dtype), random_batch(16, dtype=dtype)


def gradients_of(specification, clock=EARLY, dtype=DOUBLE):
    method, network, batch = set_up(specification, dtype)
    method.backward(Step(method, network, batch, clock))
    return {name: p.grad for name, p in network.named_parameters()}


def reference(specification, rho, clock=EARLY, dtype=DOUBLE):
    """Foret et al., Algorithm 1, as the optimiser's authors write it: climb, look, climb down."""
    method, network, batch = set_up(specification, dtype)
    base = getattr(method, "base", method)

    def evaluate():
        network.zero_grad()
        base.losses(network(batch.images), batch, clock).mean().backward()

    evaluate()
    total = sum((p.grad**2).sum() for p in network.parameters()).sqrt()
    steps = [rho * p.grad / (total + 1e-12) for p in network.parameters()]
    with torch.no_grad():
        for parameter, step in zip(network.parameters(), steps, strict=True):
            parameter.add_(step)
    evaluate()
    with torch.no_grad():
        for parameter, step in zip(network.parameters(), steps, strict=True):
            parameter.sub_(step)
    return {name: p.grad for name, p in network.named_parameters()}


def gap_by_name(left, right):
    assert left.keys() == right.keys()
    return max((left[name] - right[name]).abs().max().item() for name in left)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@pytest.mark.parametrize("clock", [EARLY, LATE], ids=["early", "late"])
@pytest.mark.parametrize(
    ("specification", "rho"),
    [("sam(rho=0.2)", 0.2), ("ce+sam(rho=0.1)", 0.1), ("focal(gamma=2)+sam(rho=0.1)", 0.1),
     ("ldam_drw+sam(rho=0.8)", 0.8)],
)  # fmt: skip
def test_the_gradient_is_that_of_the_in_place_reference(specification, rho, clock, dtype, limit):
    ours = gradients_of(specification, clock, dtype)
    theirs = reference(specification, rho, clock, dtype)
    size = max(part.abs().max().item() for part in theirs.values())
    assert gap_by_name(ours, theirs) <= limit * max(size, 1)
    plain = gradients_of(
        specification.partition("+")[0] if "+" in specification else "ce", clock, dtype
    )
    assert gap_by_name(ours, plain) > 1e-3 * size  # the radius is not lost on the way


def test_alone_it_is_sam_on_cross_entropy():
    assert gap_by_name(gradients_of("sam(rho=0.2)"), gradients_of("ce+sam(rho=0.2)")) == 0


@pytest.mark.parametrize("base", ["ce", "ldam_drw"])
@pytest.mark.parametrize("clock", [EARLY, LATE], ids=["early", "late"])
def test_radius_zero_is_the_plain_gradient(base, clock):
    assert gap_by_name(gradients_of(f"{base}+sam(rho=0)", clock), gradients_of(base, clock)) == 0


def test_the_weights_are_where_they_were():
    method, network, batch = set_up("sam(rho=0.8)")
    before = copy.deepcopy(dict(network.named_parameters()))
    method.backward(Step(method, network, batch, EARLY))
    assert all(torch.equal(p, before[name]) for name, p in network.named_parameters())


@pytest.mark.parametrize("specification", ["sam(rho=0.8)", "ldam_drw+sam(rho=0.8)"])
def test_batch_statistics_move_once_and_at_the_weights_themselves(specification):
    method, network, batch = set_up(specification)
    twin = copy.deepcopy(network)
    method.backward(Step(method, network, batch, EARLY))
    twin(batch.images)
    for ours, theirs in zip(network.modules(), twin.modules(), strict=True):
        if isinstance(ours, nn.BatchNorm2d):
            assert int(ours.num_batches_tracked) == 1
            assert torch.equal(ours.running_mean, theirs.running_mean)
            assert torch.equal(ours.running_var, theirs.running_var)


def test_the_ascent_is_one_step_of_length_rho_over_all_parameters_together():
    method, network, batch = set_up("sam(rho=0.3)")
    perturbations = []

    class Spying(Step):
        def forward(self, perturbation=None):
            perturbations.append(perturbation)
            return super().forward(perturbation)

    plain = gradients_of("ce")
    method.backward(Spying(method, network, batch, EARLY))
    first, second = perturbations
    assert first is None
    assert second.keys() == dict(network.named_parameters()).keys()
    length = sum(part.square().sum() for part in second.values()).sqrt().item()
    assert length == pytest.approx(0.3, rel=1e-9)
    ratios = {(part / plain[name]).median().item() for name, part in second.items()}
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-9)  # one factor: one global norm


def test_a_penalty_takes_no_part_in_the_ascent_and_is_descended_where_the_weights_are():
    """The gradient is alpha g(w + rho g / |g|), g of the loss, plus the penalty's at w."""
    method, network, batch = set_up("ce+gkp+sam(rho=0.3)")
    width = sum(p.numel() for p in network.backbone.parameters())
    pull = torch.linspace(0.0, 2.0, width, dtype=DOUBLE)
    gkp = method.modifiers[0]
    zero = torch.zeros_like(pull)
    gkp.state["penalty"] = dict(pull=pull, centre=zero, rest=zero)
    clock = Clock("train", 4, 10, recipe=RECIPE)
    own = torch.autograd.grad(gkp.penalty(network, clock), list(network.backbone.parameters()))
    assert sum(part.square().sum() for part in own).sqrt() > 1
    method.backward(Step(method, network, batch, clock))
    found = {name: p.grad for name, p in network.named_parameters()}
    climbed = reference("ce+sam(rho=0.3)", 0.3, clock)
    expected = {name: gkp.alpha(clock) * part for name, part in climbed.items()}
    for (name, _), part in zip(network.backbone.named_parameters(), own, strict=True):
        expected[f"backbone.{name}"] = expected[f"backbone.{name}"] + part
    assert gap_by_name(found, expected) < 1e-12


def test_frozen_parameters_take_no_part_in_the_ascent():
    method, network, batch = set_up("sam(rho=0.3)")
    optimiser_for(network, Stage(name="head", recipe=RECIPE, trainable=("classifier",)))
    method.backward(Step(method, network, batch, EARLY))
    filled = {name for name, p in network.named_parameters() if p.grad is not None}
    assert filled == {"classifier.weight", "classifier.bias"}
    _, twin, _ = set_up("sam(rho=0.3)")
    features = twin(batch.images)["features"].detach()
    weight, bias = (p.detach().clone().requires_grad_() for p in twin.classifier.parameters())

    def evaluate(weight, bias):
        logits = features @ weight.T + bias
        return torch.autograd.grad(
            nn.functional.cross_entropy(logits, batch.targets), (weight, bias)
        )

    climb = evaluate(weight, bias)
    total = sum(part.square().sum() for part in climb).sqrt()
    expected = evaluate(*(p + 0.3 * g / total for p, g in zip((weight, bias), climb, strict=True)))
    for parameter, gradient in zip(network.classifier.parameters(), expected, strict=True):
        assert torch.allclose(parameter.grad, gradient, rtol=0, atol=1e-12)


@pytest.mark.parametrize("specification", ["sam(rho=0.2)", "ldam_drw+sam(rho=0.2)"])
def test_weight_decay_acts_on_the_weights_and_not_in_the_ascent(specification):
    """The optimiser's step is w - lr (g(w + e) + decay w), with e from the plain gradient."""
    method, network, batch = set_up(specification)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimiser = optimiser_for(network, Stage(name="train", recipe=RECIPE))
    optimiser.zero_grad()
    method.backward(Step(method, network, batch, EARLY))
    optimiser.step()
    gradients = reference(specification, 0.2)
    expected = {name: w - 0.1 * (gradients[name] + 0.05 * w) for name, w in before.items()}
    found = {name: p.detach() for name, p in network.named_parameters()}
    assert gap_by_name(found, expected) < 1e-12
