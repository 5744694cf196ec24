"""MiSLAS: label-aware smoothing, mixup first, the classifier and its scales after."""

import math

import pytest
import torch
import torch.nn.functional as F
from made_methods import bound, random_batch, resnet8

from ltbench import Clock, Recipe, Step
from ltbench.blocks.mixup import mixed
from ltbench.engine.train import optimiser_for
from ltbench.networks import ScaledClassifier
from ltbench.testing.synthetic import training

COUNTS = torch.tensor([500, 120, 37, 9, 5])
PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)
FIRST, SECOND = Clock("mixup", 0, 10), Clock("classifier", 0, 10)


def network():
    return resnet8().eval()


def test_smoothing_is_the_sine_of_the_count():
    expected = [0.1 + 0.3 * math.sin(math.pi * (n - 5) / (2 * (500 - 5))) for n in COUNTS.tolist()]
    assert bound("mislas", COUNTS).smoothing.tolist() == pytest.approx(expected, rel=1e-6)
    assert expected[0] == pytest.approx(0.4)
    assert expected[-1] == pytest.approx(0.1)


def test_equal_counts_have_one_smoothing():
    smoothing = bound("mislas", torch.full((5,), 30)).smoothing
    assert smoothing.tolist() == pytest.approx([0.4] * 5)


def test_smoothed_labels_add_up_to_one_and_keep_their_class_on_top():
    method, targets = bound("mislas", COUNTS), torch.arange(5)
    labels = method.smoothed(targets).double()
    torch.testing.assert_close(labels.sum(1), torch.ones(5).double(), rtol=0, atol=1e-6)
    assert labels.argmax(1).tolist() == targets.tolist()
    for c in range(5):
        eps = method.smoothing[c].item()
        assert labels[c, c].item() == pytest.approx(1 - eps + eps / 5, rel=1e-6)
        assert labels[c, (c + 1) % 5].item() == pytest.approx(eps / 5, rel=1e-6)


def test_the_second_stage_s_loss_is_the_paper_s_two_terms():
    """(1 - eps_y) (-log p_y) + eps_y mean_c (-log p_c)."""
    method, given = bound("mislas", COUNTS), random_batch(dtype=torch.float32)
    outputs = method.forward(network(), given, SECOND)
    found = method.losses(outputs, given, SECOND)
    shares = outputs["logits"].double().log_softmax(1)
    for i, y in enumerate(given.targets.tolist()):
        eps = method.smoothing[y].item()
        expected = -(1 - eps) * shares[i, y].item() - eps * shares[i].mean().item()
        assert found[i].item() == pytest.approx(expected, rel=1e-5)


def test_without_smoothing_the_second_stage_is_cross_entropy():
    method, given = bound("mislas(head=0.0, tail=0.0)", COUNTS), random_batch(dtype=torch.float32)
    outputs = method.forward(network(), given, SECOND)
    expected = F.cross_entropy(outputs["logits"], given.targets, reduction="none")
    torch.testing.assert_close(method.losses(outputs, given, SECOND), expected)


def test_the_first_stage_is_mixup():
    given, net = random_batch(dtype=torch.float32), network()
    step = Step(bound("mislas", COUNTS), net, given, FIRST)
    expected = mixed(given, FIRST, 1.0)
    assert torch.equal(step.batch.images, expected.images)
    assert not torch.equal(step.batch.images, given.images)
    outputs, ratio = step.forward(), expected.mix_ratio[0]
    likely = outputs["logits"].log_softmax(1)
    labels = ratio * F.one_hot(given.targets, 5) + (1 - ratio) * F.one_hot(expected.mix_targets, 5)
    torch.testing.assert_close(step.losses(outputs), -(labels * likely).sum(1))
    assert Step(bound("mislas", COUNTS), net, given, SECOND).batch is given


@pytest.mark.parametrize(
    ("specification", "smoothing", "rate", "still"),
    [
        ("mislas", (0.4, 0.1), 0.2, ()),
        ("mislas@cifar100_r50", (0.3, 0.0), 0.1, ()),
        ("mislas@cifar10", (0.3, 0.0), 0.5, ("backbone",)),
        ("mislas@cifar10_r50", (0.2, 0.0), 0.2, ("backbone",)),
    ],
)
def test_the_release_s_settings_by_data_set(specification, smoothing, rate, still):
    method = bound(specification)
    ends = method.smoothing[0].item(), method.smoothing[-1].item()
    assert ends == pytest.approx(smoothing, abs=1e-6)
    first, second = method.stages(PAPER)
    assert (first.recipe.decay, first.recipe.epochs, first.sampler) == (
        0.1,
        200,
        "instance_balanced",
    )
    assert second.recipe == Recipe(10, 128, 0.1, 2e-4, schedule="cosine")
    assert (second.sampler, second.reset, second.evaluating) == ("class_balanced", (), still)
    head = method.begin_stage(network(), "classifier")
    groups = optimiser_for(head, second).param_groups
    rates = {id(p): group["factor"] for group in groups for p in group["params"]}
    assert rates[id(head.classifier.scale)] == 1.0
    assert rates[id(head.classifier.classifier.weight)] == rate
    assert rates[id(head.classifier.classifier.bias)] == rate
    assert len(rates) == 3


@pytest.mark.parametrize(("specification", "moves"), [("mislas", True), ("mislas@cifar10", False)])
def test_the_second_stage_goes_on_from_the_first_s_classifier(specification, moves):
    work, kept = training(specification, 20), {}

    def observe(report):
        if report.loss is not None and report.epoch == 20:
            kept.update({k: v.clone() for k, v in work.network.state_dict().items()})

    work.run(observe)
    assert isinstance(work.network.classifier, ScaledClassifier)
    after = work.network.state_dict()
    changed = {
        name for name, value in kept.items()
        if not torch.equal(value, after[name.replace("classifier.", "classifier.classifier.")])
    }  # fmt: skip
    statistics = {name for name in changed if "running" in name or "num_batches" in name}
    assert changed - statistics == {"classifier.weight", "classifier.bias"}
    assert bool(statistics) == moves
    start = kept["classifier.weight"]
    moved = (after["classifier.classifier.weight"] - start).norm() / start.norm()
    assert 0 < moved < 0.5  # one epoch from where it was, not from a fresh draw
    assert not torch.equal(after["classifier.scale"], torch.ones(6))
