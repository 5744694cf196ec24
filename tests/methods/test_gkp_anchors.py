"""Fisher information image by image, and quadratics against the double sum."""

import copy
import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from ltbench.methods.gkp import Quadratic, diagonal_fisher, draw, fisher_at, refresh_statistics
from torch import nn

from ltbench.blocks.feature_quality import encoder_of
from ltbench.data.batch import Batch
from ltbench.errors import LtbenchError
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
        list(network.parameters()), network.losses, images, targets, generator(), signed=1
    )
    torch.testing.assert_close(found, image_by_image(network, images, targets))


def test_the_mean_over_all_signs_is_the_exact_fisher(monkeypatch):
    torch.manual_seed(0)
    network, images, targets = Small(), randn(4, 4), torch.tensor([0, 1, 2, 0])
    total, patterns = 0, list(itertools.product((0, 1), repeat=4))
    for pattern in patterns:
        monkeypatch.setattr(torch, "randint", lambda *a, p=pattern, **k: torch.tensor(p))
        total = total + diagonal_fisher(
            list(network.parameters()), network.losses, images, targets, generator(), signed=4
        )
    torch.testing.assert_close(total / len(patterns), image_by_image(network, images, targets))


def test_statistics_become_the_mean_over_the_batches():
    network = nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)).double()
    batches = [randn(6, 3, seed=1) + 2, randn(6, 3, seed=2)]
    refresh_statistics(network, batches)
    expected = (batches[0].mean(0) + batches[1].mean(0)) / 2
    torch.testing.assert_close(network[0].running_mean, expected)
    assert not network[0].training
    assert network[0].momentum == 0.1


def network_and_data():
    torch.manual_seed(0)
    network = create("resnet8", 1, 3).double().eval()
    images, targets = randn(30, 1, 8, 8), torch.arange(30) % 3
    data = [Batch((images[p],), targets[p], p) for p in torch.arange(30).split(12)]
    return network, data


def test_fisher_at_an_anchor_is_of_the_encoder_there_and_leaves_the_network_alone():
    network, data = network_and_data()
    sample = draw(data, torch.tensor([0, 0, 1]), torch.tensor([10, 10, 10]), 1000, generator())
    assert sorted(sample.groups) == [0, 1]
    assert len(sample.groups[0][1]) == 20  # all of a group smaller than asked for
    before = copy.deepcopy(network.state_dict())
    anchor = encoder_of(network) * 1.1
    priors = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    found = fisher_at(anchor, network, sample, 1, priors=priors, generator=generator())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())

    there = copy.deepcopy(network)
    weights = [p for name, p in there.named_parameters() if name.startswith("backbone.")]
    assert len(anchor) == sum(p.numel() for p in weights)
    with torch.no_grad():
        for weight in weights:
            weight.mul_(1.1)
    refresh_statistics(there, sample.mixed)
    exact = 0
    for image, target in zip(*sample.groups[1], strict=True):
        loss = F.cross_entropy(there(image[None])["logits"] + priors.log(), target[None])
        parts = torch.autograd.grad(loss, weights)
        exact = exact + torch.cat([part.flatten() for part in parts]) ** 2
    exact = exact / len(sample.groups[1][1])
    assert found.mean() == pytest.approx(float(exact.mean()), rel=0.5)  # an estimate
    many = sum(
        fisher_at(anchor, network, sample, 1, priors=priors, generator=generator(seed))
        for seed in range(60)
    )
    assert (many / 60).mean() == pytest.approx(float(exact.mean()), rel=0.1)


def test_a_fisher_that_is_not_finite_is_refused():
    network, data = network_and_data()
    sample = draw(data, torch.tensor([0, 0, 1]), torch.tensor([10, 10, 10]), 5, generator())
    anchor = encoder_of(network) * math.inf
    with pytest.raises(LtbenchError, match="group 1 is not finite"):
        fisher_at(anchor, network, sample, 1, priors=torch.ones(3) / 3, generator=generator())


def test_a_sample_is_about_as_large_as_asked_for():
    images, targets = torch.zeros(4000, 1, 2, 2), torch.arange(4000) % 4
    data = [Batch((images,), targets, torch.arange(4000))]
    counts, groups = torch.full((4,), 1000), torch.tensor([0, 1, 1, 1])
    sample = draw(data, groups, counts, 200, generator())
    sizes = {group: len(own) for group, (_, own) in sample.groups.items()}
    assert all(150 < size < 250 for size in sizes.values())
    assert set(sample.groups[0][1].tolist()) == {0}
    assert set(sample.groups[1][1].tolist()) == {1, 2, 3}


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
    ways = [torch.autograd.grad(each, weights)[0] for each in (value, double)]
    torch.testing.assert_close(*ways, rtol=1e-10, atol=1e-12)


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
    assert quadratic.rest >= 0
    assert quadratic.at(quadratic.centre) == quadratic.rest
    assert quadratic.at(quadratic.centre + 0.1) > quadratic.rest
