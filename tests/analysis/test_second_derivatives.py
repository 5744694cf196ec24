"""Second derivatives against finite differences, and against those that PyTorch composes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

from ltbench.analysis.second_derivatives import CheapSecondDerivatives
from ltbench.networks import create


def double(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw, dtype=torch.float64)


def statistics(channels):
    return double(channels, seed=8), double(channels, seed=9).square() + 0.5


def cheaply(function):
    def inside(*tensors):
        with CheapSecondDerivatives():
            return function(*tensors)

    return inside


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"padding": 1}, {"stride": 2, "padding": 1}, {"padding": 3}, {"dilation": 2},
        {"groups": 2, "padding": 1}, {"stride": (1, 2), "padding": (0, 1)}, {"padding": "same"},
        {"stride": (2,), "padding": (1,), "dilation": (1,)}, {"padding": (1,)},
    ],
    ids=str,
)  # fmt: skip
def test_a_convolution_agrees_with_finite_differences(settings):
    x, b = double(2, 2, 5, 6, seed=1), double(4, seed=3)
    w = double(4, 2 // settings.get("groups", 1), 3, 3, seed=2)
    made = cheaply(lambda x, w, b: F.conv2d(x, w, b, **settings))
    assert torch.equal(made(x, w, b), F.conv2d(x, w, b, **settings))
    inputs = [t.requires_grad_() for t in (x, w, b)]
    assert gradcheck(made, inputs)
    assert gradgradcheck(made, inputs)


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("affine", [False, True])
def test_a_batch_norm_in_a_convolution_agrees_with_finite_differences(biased, affine):
    mean, var = statistics(4)
    x, w = double(2, 2, 4, 4, seed=1), double(4, 2, 3, 3, seed=2)
    b, scale, shift = (double(4, seed=seed) for seed in (3, 4, 5))

    def both(x, w, b, scale, shift):
        y = F.conv2d(x, w, b if biased else None, padding=1)
        return F.batch_norm(y, mean, var, *((scale, shift) if affine else ()))

    made = cheaply(both)
    inputs = [t.requires_grad_() for t in (x, w, b, scale, shift)]
    used = inputs[: 2 + biased] + (inputs[3:] if affine else [])
    torch.testing.assert_close(made(*inputs), both(*inputs), rtol=1e-12, atol=1e-12)

    def of_used(*tensors):
        tensors = list(tensors)
        given = [tensors.pop(0) if any(t is u for u in used) else t for t in inputs]
        return made(*given)

    assert gradcheck(of_used, used)
    assert gradgradcheck(of_used, used)


def product(forward, network, labels, vector):
    parameters = list(network.parameters())
    loss = F.cross_entropy(forward(), labels)
    gradients = torch.autograd.grad(loss, parameters, create_graph=True)
    found = torch.autograd.grad(gradients, parameters, vector)
    return torch.cat([part.flatten() for part in found])


@pytest.mark.parametrize("name", ["resnet8", "wrn40_2"])
def test_a_network_has_the_hessian_that_pytorch_composes(name):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = create(name, 3, 10).double()
        images = torch.randn(6, 3, 8, 8, dtype=torch.float64)
        network(images)  # statistics that are not zero and one
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
        vector = [torch.randn_like(p) for p in network.parameters()]
    network.eval()

    def forward():
        return network(images)["logits"]

    labels = torch.arange(6)
    composed = product(forward, network, labels, vector)
    found = product(cheaply(forward), network, labels, vector)
    assert (found - composed).norm() <= 1e-10 * composed.norm()


def test_an_output_changed_in_place_is_not_taken_for_the_convolution():
    mean, var = statistics(3)
    x, w = double(2, 3, 4, 4), double(3, 3, 3, 3, seed=1)
    with CheapSecondDerivatives():
        y = F.batch_norm(F.conv2d(x, w).mul_(2), mean, var)
    torch.testing.assert_close(y, F.batch_norm(F.conv2d(x, w) * 2, mean, var))


def test_batch_norm_in_training_and_outputs_used_twice_are_left_alone():
    mean, var = statistics(3)
    x, w = double(2, 3, 4, 4), double(3, 3, 3, 3, seed=1)
    with CheapSecondDerivatives():
        y = F.conv2d(x, w)
        trained = F.batch_norm(y, mean.clone(), var.clone(), training=True)
        added = F.batch_norm(y, mean, var) + y
    plain = F.conv2d(x, w)
    torch.testing.assert_close(trained, F.batch_norm(plain, None, None, training=True))
    torch.testing.assert_close(added, F.batch_norm(plain, mean, var) + plain)
