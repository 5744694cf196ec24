"""Fisher information image by image, and quadratics against the double sum."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from ltbench.methods.gkp import Quadratic, diagonal_fisher, draw, fisher_at
from torch import nn

from ltbench.blocks.feature_quality import encoder_of
from ltbench.data.batch import Batch
from ltbench.networks import create


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


# Fisher


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 3).double(), nn.Linear(3, 3).double()

    def losses(self, images, targets):
        return F.cross_entropy(self.second(self.first(images).tanh()), targets, reduction="none")


def image_by_image(network, images, targets):
    total = 0
    for image, target in zip(images, targets, strict=True):
        loss = network.losses(image[None], target[None])
        parts = torch.autograd.grad(loss.sum(), list(network.parameters()))
        total = total + torch.cat([part.flatten() for part in parts]) ** 2
    return total / len(images)


def test_one_image_at_a_time_is_the_exact_fisher():
    torch.manual_seed(0)
    network, images, targets = Small(), randn(7, 4), torch.tensor([0, 1, 2, 0, 1, 2, 2])
    found = diagonal_fisher(
        list(network.parameters()), network.losses, (images, targets), generator(), signed=1
    )
    torch.testing.assert_close(found, image_by_image(network, images, targets))


def test_the_mean_over_all_signs_is_the_exact_fisher(monkeypatch):
    torch.manual_seed(0)
    network, images, targets = Small(), randn(4, 4), torch.tensor([0, 1, 2, 0])
    total, patterns = 0, list(itertools.product((0, 1), repeat=4))
    for pattern in patterns:
        monkeypatch.setattr(torch, "randint", lambda *a, p=pattern, **k: torch.tensor(p))
        total = total + diagonal_fisher(
            list(network.parameters()), network.losses, (images, targets), generator(), signed=4
        )
    torch.testing.assert_close(total / len(patterns), image_by_image(network, images, targets))


def test_the_releases_form_squares_the_gradients_of_batch_means():
    torch.manual_seed(0)
    network, images, targets = Small(), randn(7, 4), torch.tensor([0, 1, 2, 0, 1, 2, 2])
    found = diagonal_fisher(
        list(network.parameters()), network.losses, (images, targets), generator(), batch=3
    )
    total = 0
    for first in (0, 3, 6):
        loss = network.losses(images[first : first + 3], targets[first : first + 3]).mean()
        parts = torch.autograd.grad(loss, list(network.parameters()))
        total = total + torch.cat([part.flatten() for part in parts]) ** 2
    torch.testing.assert_close(found, total / 7)


def network_and_data():
    torch.manual_seed(0)
    network = create("resnet8", 1, 3).double().eval()
    images, targets = randn(30, 1, 8, 8), torch.arange(30) % 3
    data = [Batch((images[p],), targets[p], p) for p in torch.arange(30).split(12)]
    return network, data


def exact_fisher_at(anchor, network, mixed, images, targets, priors):
    """Image by image, with the statistics of one pass of all mixed images through each layer."""
    there = copy.deepcopy(network)
    weights = [p for name, p in there.named_parameters() if name.startswith("backbone.")]
    assert len(anchor) == sum(p.numel() for p in weights)
    with torch.no_grad():
        sizes = [p.numel() for p in weights]
        for weight, part in zip(weights, anchor.split(sizes), strict=True):
            weight.copy_(part.view_as(weight))
        norms = [m for m in there.modules() if isinstance(m, nn.BatchNorm2d)]
        for norm in norms:
            norm.momentum = 1.0  # the running statistics become the pass's own
        there.train()(mixed)
    there.eval()
    total = 0
    for image, target in zip(images, targets, strict=True):
        loss = F.cross_entropy(there(image[None])["logits"] + priors.log(), target[None])
        parts = torch.autograd.grad(loss, weights)
        total = total + torch.cat([part.flatten() for part in parts]) ** 2
    return total / len(targets)


def test_fisher_at_an_anchor_is_of_the_encoder_there_and_leaves_the_network_alone():
    network, data = network_and_data()
    groups, counts = torch.tensor([0, 0, 1]), torch.tensor([10, 10, 10])
    mixed, found = draw(data, groups, counts, 1000, generator())
    assert sorted(found) == [0, 1]
    assert len(found[0][1]) == 20  # all of a group smaller than asked for
    before = copy.deepcopy(network.state_dict())
    anchor = encoder_of(network) * 1.1
    priors = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    fisher = fisher_at(anchor, network, mixed, found[1], priors=priors, generator=generator())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    exact = exact_fisher_at(anchor, network, mixed, *found[1], priors)
    assert fisher.mean() == pytest.approx(float(exact.mean()), rel=0.5)  # an estimate
    many = sum(
        fisher_at(anchor, network, mixed, found[1], priors=priors, generator=generator(seed))
        for seed in range(60)
    )
    assert (many / 60).mean() == pytest.approx(float(exact.mean()), rel=0.1)


@pytest.mark.parametrize("left", [1, 4])
def test_statistics_at_an_anchor_are_of_one_joint_batch(left, monkeypatch):
    """A remainder of one image beyond 256 moves the Fisher by less than 2 %, not by half of it."""
    monkeypatch.setattr("ltbench.methods.gkp.diagonal_fisher", one_by_one)
    network, _ = network_and_data()
    images, targets = randn(256 + left, 1, 8, 8, seed=3).abs(), torch.arange(6) % 3
    images[256:] *= 4  # not like the others: what a batch of its own would show
    anchor, priors = encoder_of(network), torch.ones(3, dtype=torch.float64) / 3
    labelled = (randn(6, 1, 8, 8, seed=4), targets)
    found = fisher_at(anchor, network, images, labelled, priors=priors, generator=generator())
    exact = exact_fisher_at(anchor, network, images, *labelled, priors)
    assert (found - exact).norm() < 0.02 * exact.norm()
    assert found.sum() == pytest.approx(float(exact.sum()), rel=0.02)


def one_by_one(parameters, losses, labelled, generator, **given):
    return diagonal_fisher(parameters, losses, labelled, generator, signed=1)


def test_a_sample_is_about_as_large_as_asked_for():
    images, targets = torch.zeros(4000, 1, 2, 2), torch.arange(4000) % 4
    data = [Batch((images,), targets, torch.arange(4000))]
    counts, groups = torch.full((4,), 1000), torch.tensor([0, 1, 1, 1])
    mixed, found = draw(data, groups, counts, 200, generator())
    sizes = {group: len(own) for group, (_, own) in found.items()}
    assert all(150 < size < 250 for size in sizes.values())
    assert 200 < len(mixed) < 320
    assert set(found[0][1].tolist()) == {0}
    assert set(found[1][1].tolist()) == {1, 2, 3}


# Quadratic


def terms(count=4, width=50):
    return [
        (randn(width, seed=i).square() * (randn(width, seed=i + 9) > 0), randn(width, seed=20 + i))
        for i in range(count)
    ]


def quadratic_of(pairs):
    total = Quadratic.zero(pairs[0][0])
    for curvature, anchor in pairs:
        total = total.plus(curvature, anchor)
    return total


def test_two_vectors_are_the_double_sum_with_its_gradient():
    pairs, weights = terms(), randn(50, seed=40).requires_grad_()
    double = sum(
        f * (x - a) ** 2
        for curvature, anchor in pairs
        for f, x, a in zip(curvature, weights, anchor, strict=True)
    )
    value = quadratic_of(pairs).at(weights)
    torch.testing.assert_close(value, double, rtol=1e-12, atol=0)
    both = [torch.autograd.grad(each, weights)[0] for each in (value, double)]
    torch.testing.assert_close(*both, rtol=1e-10, atol=1e-12)


def test_it_is_exactly_zero_at_anchors_that_are_one():
    (_, anchor), *_ = terms()
    quadratic = quadratic_of([(curvature, anchor) for curvature, _ in terms()])
    weights = anchor.clone().requires_grad_()
    value = quadratic.at(weights)
    assert value.item() == 0.0
    assert torch.autograd.grad(value, weights)[0].abs().max() == 0.0
    one = quadratic_of(terms()[:1])
    assert one.at(terms()[0][1]) == 0.0


def test_it_is_not_negative_and_lowest_at_its_centre():
    quadratic = quadratic_of(terms())
    assert quadratic.rest.min() >= 0
    assert quadratic.at(quadratic.centre) == quadratic.rest.sum()
    assert quadratic.at(quadratic.centre + 0.1) > quadratic.rest.sum()


def test_factors_by_weight_are_factors_of_every_term():
    pairs, weights, factor = terms(), randn(50, seed=40), randn(50, seed=41).square()
    expected = quadratic_of([(factor * curvature, anchor) for curvature, anchor in pairs])
    found = quadratic_of(pairs).times(factor)
    torch.testing.assert_close(found.at(weights), expected.at(weights), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.pull, expected.pull, rtol=1e-12, atol=0)
