"""LDAM by closed form, and `ldam+drw` beside `ldam_drw`."""

import math

import pytest
import torch
from made_methods import bound, losses_of

from ltbench import Batch, Clock, Step, build, describe
from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.registry.contents import parameters


def losses_and_gradient(method, epoch, seed=0):
    """The losses of 24 images, as a step weights them, and the gradient of their mean."""
    torch.manual_seed(seed)
    network = method.build(create("resnet8", 1, 5))
    images, targets = torch.randn(24, 1, 8, 8), torch.randint(5, (24,))
    step = Step(method, network, Batch((images,), targets, targets), Clock("train", epoch, 200))
    losses = step.losses(step.forward())
    (gradient,) = torch.autograd.grad(losses.mean(), [network.classifier.weight])
    return losses.detach(), gradient


def test_a_hand_value():
    """Two classes with 16 and 1 images, scale 4, equal logits: lowered by 1 and by 2."""
    method = bound("ldam(scale=4)", torch.tensor([16, 1]))
    logits, targets = torch.zeros(2, 2).double(), torch.tensor([0, 1])
    for epoch in (0, 199):
        found = losses_of(method, logits, targets, Clock("train", epoch, 200))
        assert found.tolist() == pytest.approx([math.log(1 + math.e), math.log(1 + math.e**2)])


def test_it_is_ldam_drw_before_the_deferral_to_the_bit():
    ours, gradient = losses_and_gradient(bound("ldam"), 159)
    theirs, other = losses_and_gradient(bound("ldam_drw"), 159)
    assert torch.equal(ours, theirs)
    assert torch.equal(gradient, other)


@pytest.mark.parametrize("parameters", ["", "(beta=0.99, defer=0.5)"])
def test_with_drw_it_is_ldam_drw_but_for_rounding(parameters):
    for epoch in (0, 120, 160, 199):
        ours, gradient = losses_and_gradient(bound(f"ldam+drw{parameters}"), epoch)
        theirs, other = losses_and_gradient(bound(f"ldam_drw{parameters}"), epoch)
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
        torch.testing.assert_close(gradient, other, rtol=1e-4, atol=1e-7)


def test_its_parameters_are_the_margin_and_the_scale():
    assert parameters(build("ldam")) == {"ldam": {"max_margin": 0.5, "scale": 30.0}}
    assert describe(build("ldam(scale=30)+drw(defer=0.8)")) == "ldam+drw"
    with pytest.raises(UsageError, match=r"ldam\(scale=0\) is not allowed: scale must be above 0"):
        build("ldam(scale=0)")
