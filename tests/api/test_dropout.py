"""Dropout draws the same masks in every pass of a step, and others in the next."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from ltbench import Batch, Method, Step
from ltbench.api.dropout import drops, step_masks
from ltbench.api.perturb import Segments
from ltbench.api.ranks import Part
from ltbench.api.task import Clock
from ltbench.networks import LinearClassifier, Network

CLOCK = Clock("train", 0, 3, 1, 10, seed=5)
P = 0.4


@pytest.fixture
def network():
    torch.manual_seed(0)
    backbone = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 50), nn.Dropout(P), nn.Linear(50, 50), nn.Dropout(P)
    )
    return Network(backbone, LinearClassifier(50, 3)).double()


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(8, 3, 2, 2, generator=draw, dtype=torch.float64)
    return Batch((images,), torch.arange(8) % 3, torch.arange(8))


def step(network, batch, clock=CLOCK, **facts):
    return Step(Method(), network, batch, clock, **facts)


def features(*args, **kwargs):
    return step(*args, **kwargs).forward()["features"].detach()


def test_passes_of_a_step_drop_the_same(network, batch):
    one = step(network, batch)
    first = one.forward()["features"]
    torch.rand(7)  # whatever else draws from the global generator
    assert torch.equal(one.forward({})["features"], first)
    shift = {"classifier.weight": torch.ones_like(network.classifier.weight)}
    assert torch.equal(one.forward(shift)["features"], first)
    assert torch.equal(features(network, batch), first)


def test_the_next_step_and_another_seed_drop_others(network, batch):
    first = features(network, batch)
    assert not torch.equal(features(network, batch, replace(CLOCK, step=2)), first)
    assert not torch.equal(features(network, batch, replace(CLOCK, seed=6)), first)


def test_what_is_dropped_is_zero_and_the_rest_larger(network, batch):
    network.backbone = nn.Sequential(nn.Flatten(), nn.Dropout(P))
    network.classifier = nn.Identity()
    images = batch.images.repeat(1, 1, 40, 40)
    given = images.flatten(1)
    found = features(network, Batch((images,), batch.targets, batch.indices))
    kept = found != 0
    assert torch.allclose(found[kept], given[kept] / (1 - P))
    assert kept.double().mean() == pytest.approx(1 - P, abs=0.02)
    assert not torch.equal(kept[0], kept[1])


def test_images_in_groups_get_their_own_masks(network, batch):
    whole = features(network, batch)
    members = torch.tensor([1, 0, 2, 1, 0, 2, 2, 1])
    none = [{}, {}, {"classifier.bias": torch.zeros(3, dtype=torch.float64)}]
    parted = step(network, batch).forward(Segments(none, members))["features"]
    assert torch.allclose(parted, whole, atol=1e-12)


def test_in_evaluation_and_without_dropout_nothing_is_dropped(network, batch):
    assert drops(network)
    assert not drops(nn.Linear(2, 2))
    assert not drops(nn.Dropout(0.0))
    network.eval()
    assert torch.equal(features(network, batch), features(network, batch, dropping=False))


@pytest.mark.parametrize("place", [slice(0, 4), slice(4, 8)])
def test_a_part_of_the_batch_has_the_masks_it_has_in_the_whole(network, batch, monkeypatch, place):
    whole = features(network, batch)
    part = Part(place.start, place.stop, 8, 2)
    monkeypatch.setattr(Part, "of", classmethod(lambda cls, images: part))
    with step_masks(network, CLOCK, 8):
        own = network(batch.images[place])["features"]
    assert torch.allclose(own, whole[place], atol=1e-12)


def test_dropout_of_everything_is_zero_as_torch_has_it():
    network = nn.Sequential(nn.Dropout(1.0))
    rows = torch.ones(4, 3)
    with step_masks(network, Clock("train", 0, 1), 4):
        assert torch.equal(network(rows), torch.zeros(4, 3))
