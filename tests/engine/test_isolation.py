"""What a method leaves behind: nothing. Global generators, settings, data, and other methods."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from made_trainings import quiet
from torch import nn

from ltbench.api.method import Method
from ltbench.engine.isolation import generators_restored, isolated, seed_all, seeded
from ltbench.errors import LtbenchError


def draws():
    """A number of each global generator."""
    return [float(torch.rand(())), float(np.random.rand()), random.random()]


def test_the_global_generators_are_seeded_by_purpose():
    found = []
    for seed, step in ((0, 2), (0, 2), (1, 2), (0, 3)):
        with seeded(seed, "step", "train", 1, step):
            found.append(draws())
    assert found[0] == found[1]
    for other in found[2:]:
        assert all(mine != theirs for mine, theirs in zip(found[0], other, strict=True))


@pytest.mark.parametrize("block", [generators_restored, lambda: seeded(3, "x"), isolated])
def test_generators_are_given_back_even_after_an_error(block):
    def fail():
        with block():
            draws()
            seed_all(5, "inside")
            raise KeyError

    seed_all(11, "before")
    expected = draws()
    seed_all(11, "before")
    with pytest.raises(KeyError):
        fail()
    assert draws() == expected


def settings():
    """The settings of torch that a method might change."""
    return (
        torch.get_default_dtype(), torch.get_float32_matmul_precision(), torch.is_grad_enabled(),
        torch.backends.mkldnn.enabled, torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(), torch.get_num_threads(),
    )  # fmt: skip


def test_settings_are_given_back_even_after_an_error():
    def fail():
        with isolated():
            torch.set_default_dtype(torch.float64)
            torch.set_float32_matmul_precision("medium")
            torch.set_grad_enabled(False)
            torch.backends.mkldnn.enabled = False
            torch.backends.cudnn.benchmark = not before[4]
            torch.use_deterministic_algorithms(not before[5])
            torch.set_num_threads(2)
            assert all(now != was for now, was in zip(settings(), before, strict=True))
            raise KeyError

    before = settings()
    with pytest.raises(KeyError):
        fail()
    assert settings() == before


# in a training


def weights(training):
    training.run(quiet)
    return {name: value.clone() for name, value in training.network.state_dict().items()}


def equal(left, right):
    return all(torch.equal(value, right[name]) for name, value in left.items())


@dataclass
class Careless(Method):
    """Dropout, and noise from every global generator, in the views and in the loss."""

    def build(self, network):
        network.classifier = nn.Sequential(nn.Dropout(0.5), nn.Linear(64, self.task.num_classes))
        return network

    def forward(self, network, batch, clock):
        return {"logits": network.classifier(network.backbone(batch.images))}

    def predict(self, network, images):
        return network.classifier(network.backbone(images))

    def augment(self, view, targets, clock):
        def shifted(images, augment, generator):
            return images + torch.randint(9, (1, 1, 1, 1), dtype=torch.uint8)

        return (*view, shifted)

    def losses(self, outputs, batch, clock):
        return super().losses(outputs, batch, clock) * (1 + random.random() + np.random.rand())

    def after_epoch(self, network, data, clock):
        self.state["noise"] = torch.randn(2)


def test_a_seed_means_the_same_for_whatever_draws_from_the_global_generators(
    make_training, make_tape
):
    torch.manual_seed(1)
    first = make_training(Careless())
    ended = weights(first)
    torch.manual_seed(2)
    second = make_training(Careless())
    assert equal(ended, weights(second))
    assert torch.equal(first.method.state["noise"], second.method.state["noise"])
    assert not equal(ended, weights(make_training(Careless(), seed=1)))

    def interrupt(report):
        if report.epoch == 1 and report.step == 2:
            raise KeyboardInterrupt

    checkpoint = make_tape().checkpoint
    with pytest.raises(KeyboardInterrupt):
        make_training(Careless(), checkpoint=checkpoint).run(interrupt)
    again = make_training(Careless(), checkpoint=checkpoint)
    assert again.resume()
    assert equal(ended, weights(again))
    assert torch.equal(again.method.state["noise"], first.method.state["noise"])


class Spoiling(Method):
    """Writes into everything that it is given, and changes torch's settings."""

    def setup(self, task):
        super().setup(task)
        task.class_counts.fill_(1)

    def after_step(self, step):
        step.batch.targets.fill_(0)
        step.batch.images.zero_()

    def after_epoch(self, network, data, clock):
        data.targets.fill_(0)
        for batch in data():
            batch.targets.div_(2, rounding_mode="floor")
            batch.images.zero_()
        torch.backends.mkldnn.enabled = False
        torch.set_default_dtype(torch.float64)


def test_a_method_that_writes_into_what_it_gets_spoils_no_other_and_no_test_label(make_training):
    expected = make_training()
    ended = weights(expected)
    spoiling = make_training(Spoiling())
    weights(spoiling)
    assert torch.get_default_dtype() == torch.float32
    after = make_training()
    assert equal(ended, weights(after))
    assert after.progress.last == expected.progress.last
    kept = spoiling.progress.last
    assert kept["total"] == expected.progress.last["total"]
    groups = [name for name in ("many", "medium", "few") if kept[name] is not None]
    assert groups == [
        name for name in ("many", "medium", "few") if expected.progress.last[name] is not None
    ]


def test_writing_into_the_data_itself_is_an_error_that_says_so(make_training, split):
    before = split.train.labels.clone()

    class Reaching(Method):
        def after_epoch(self, network, data, clock):
            data.feed.subset.labels.fill_(0)

    training = make_training(Reaching())
    with pytest.raises(LtbenchError, match="images or labels changed while the method trained"):
        training.run(quiet)
    assert torch.equal(split.train.labels, before)  # a training has its own copy
