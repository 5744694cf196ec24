"""The training images between epochs: clean, or recognised through the first view."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import torch

from ltbench.api.method import Method
from ltbench.data.augment.graded import Grading
from ltbench.data.training_images import TrainingImages
from ltbench.networks import create


def images_of(feed, method, autocast):
    return TrainingImages(feed, method.views[0], method.predict, autocast)


@pytest.fixture
def feed(make_training):
    return make_training().train


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return create("resnet8", 3, 4).eval()


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


def test_what_is_recognised_is_what_the_method_predicts_of_the_first_view(feed, network):
    indices = torch.arange(44, -1, -1).repeat(2)
    data = images_of(feed, Second(), nothing)
    hits = data.recognised(network, indices, Grading(torch.zeros(90).long()), seeded())
    with torch.no_grad():
        guesses = network(feed.normalise(feed.subset.images))["logits"].argmax(1)
    expected = [(int(guesses[i]) + 1) % 4 == int(feed.subset.labels[i]) for i in indices]
    assert hits.tolist() == expected
    assert hits.dtype == torch.bool
    assert len(set(expected)) == 2


def test_images_are_graded_and_drawn_by_the_generator(feed, network):
    seen = []

    class Watching(Method):
        def predict(self, network, images):
            assert not torch.is_grad_enabled()
            seen.append(images)
            return super().predict(network, images)

    indices, levels = torch.arange(45), torch.arange(45) % 4
    data = images_of(feed, Watching(), nothing)
    for grading in (Grading(levels, cutout=True), Grading(levels, cutout=True), Grading(levels)):
        data.recognised(network, indices, grading, seeded())
    (batch,) = feed.graded("standard", indices, Grading(levels, cutout=True), seeded())
    assert torch.equal(seen[0], batch.images)
    assert torch.equal(seen[1], batch.images)
    assert not torch.equal(seen[2], batch.images)


def test_no_images_no_hits_and_the_precision_is_the_run_s(feed, network):
    entered = []

    @contextmanager
    def autocast():
        entered.append(True)
        yield

    data = images_of(feed, Method(), autocast)
    none = torch.zeros(0, dtype=torch.int64)
    assert data.recognised(network, none, Grading(none), seeded()).tolist() == []
    entered.clear()
    data.recognised(network, torch.arange(3), Grading(torch.zeros(3).long()), seeded())
    assert entered == [True]
