"""The training images between epochs: clean, through the first view, and their logits."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch
from made_methods import resnet8

from ltbench.api.method import Method
from ltbench.data.augment.views import Augment, render
from ltbench.data.training_images import TrainingImages


def images_of(feed, method, autocast):
    return TrainingImages(feed, method.views[0], method.predict, autocast)


@pytest.fixture
def feed(make_training):
    return make_training().train


@pytest.fixture
def network():
    return resnet8(4).eval()


@dataclass
class Second(Method):
    """Sees images as they are, and predicts the class after the network's."""

    views = ("clean", "standard")

    def predict(self, network, images):
        return network(images)["logits"].roll(1, 1)


def seeded():
    return torch.Generator().manual_seed(4)


@contextmanager
def nothing():
    yield


def test_called_it_gives_the_clean_images_in_order(feed):
    images = images_of(feed, Method(), nothing)
    batches = list(images())
    assert torch.equal(torch.cat([b.indices for b in batches]), torch.arange(45))
    assert torch.equal(torch.cat([b.images for b in batches]), feed.normalise(feed.subset.images))
    assert torch.equal(images.targets, feed.subset.labels)


def test_the_logits_are_what_the_method_predicts_by_the_network_as_it_is(feed, network):
    images, data = feed.normalise(feed.subset.images), images_of(feed, Second(), nothing)
    logits = data.logits(network, images)
    with torch.no_grad():
        assert torch.equal(logits, network(images)["logits"].roll(1, 1))
    assert not logits.requires_grad


def test_images_pass_through_the_first_view_drawn_by_the_generator(feed):
    indices = torch.arange(44, -1, -1).repeat(2)
    data = images_of(feed, Method(), nothing)
    (batch,) = data.views(indices, seeded())
    (again,) = data.views(indices, seeded())
    expected = render("standard", feed.subset.images[indices], Augment(1, False), seeded())
    assert torch.equal(batch.images, feed.normalise(expected))
    assert torch.equal(again.images, batch.images)
    assert torch.equal(batch.indices, indices)
    assert torch.equal(batch.targets, feed.subset.labels[indices])
    assert list(data.views(torch.zeros(0, dtype=torch.int64), seeded())) == []


def test_the_view_can_be_changed_block_by_block_by_the_labels(feed, monkeypatch):
    monkeypatch.setattr("ltbench.data.feed.BLOCK", 20)
    data, wanted = images_of(feed, Second(), nothing), []

    def change(view, targets):
        def shift(images, augment, generator):
            return images + targets.view(-1, 1, 1, 1).to(torch.uint8)

        wanted.append(len(targets))
        return (*view, shift)

    batches = list(data.views(torch.arange(45), seeded(), change))
    assert wanted == [20, 20, 5]
    labels = feed.subset.labels.view(-1, 1, 1, 1).to(torch.uint8)
    images = torch.cat([batch.images for batch in batches])
    assert torch.equal(images, feed.normalise(feed.subset.images + labels))


def test_the_precision_is_the_run_s(feed, network):
    entered = []

    @contextmanager
    def autocast():
        entered.append(True)
        yield

    data = images_of(feed, Method(), autocast)
    data.logits(network, feed.normalise(feed.subset.images[:3]))
    assert entered == [True]
