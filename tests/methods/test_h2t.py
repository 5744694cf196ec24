"""H2T: mixup first, then the classifier on features whose channels are partly another image's."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from made_methods import bound, random_batch, resnet8

from ltbench import Clock, Recipe, Step, build
from ltbench.blocks.mixup import mixed
from ltbench.errors import UsageError
from ltbench.testing.synthetic import training

COUNTS = torch.tensor([40, 20, 10, 5, 2])
PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)
FIRST, SECOND = Clock("mixup", 0, 200, 0, 50), Clock("classifier", 3, 10, 7, 50)


def a_step(specification="h2t", clock=SECOND):
    method = bound(specification, COUNTS)
    network = resnet8().double().eval()
    return Step(method, network, random_batch(), clock)


def fused(step):
    """What pooled maps come to when channels of the maps themselves are swapped, and m."""
    given, maps = random_batch().images, step.network.backbone.maps
    uniform, balanced = maps(given[0::2]), maps(given[1::2])
    mask = step.method.swapped(64, step.clock)
    swapped = balanced.clone()
    swapped[:, mask] = uniform[:, mask]
    return swapped.mean((2, 3)), mask


def test_the_stages_under_the_paper_s_recipe():
    first, second = build("h2t").stages(PAPER)
    assert (first.recipe, first.sampler) == (replace(PAPER, decay=0.1), "instance_balanced")
    assert second.recipe == Recipe(10, 256, 0.1 * 0.2, 2.5 * 2e-4, schedule="cosine")
    rates = [second.recipe.learning_rate_at(epoch) for epoch in (0, 5)]
    assert rates == pytest.approx([0.02, 0.01])
    assert (second.sampler, second.trainable) == ("balanced_pairs", ("classifier.",))
    assert (second.reset, second.evaluating) == ((), ())
    assert build("h2t@cifar100_r50").stages(PAPER)[1].recipe == replace(
        second.recipe, weight_decay=2e-4
    )


def test_the_first_stage_is_mixup():
    step, given = a_step(clock=FIRST), random_batch()
    expected = mixed(given, FIRST, 1.0)
    assert torch.equal(step.batch.images, expected.images)
    assert not torch.equal(step.batch.images, given.images)
    outputs = step.forward()
    assert torch.equal(outputs["logits"], step.network(expected.images)["logits"])
    own, other = (
        F.cross_entropy(outputs["logits"], labels, reduction="none")
        for labels in (given.targets, expected.mix_targets)
    )
    ratio = expected.mix_ratio.double()
    torch.testing.assert_close(step.losses(outputs), ratio * own + (1 - ratio) * other)


def test_pairs_keep_the_balanced_images_labels():
    step, given = a_step(), random_batch()
    balanced, uniform = step.batch.views
    assert torch.equal(balanced, given.images[1::2])
    assert torch.equal(uniform, given.images[0::2])
    assert torch.equal(step.batch.targets, given.targets[1::2])
    assert torch.equal(step.batch.indices, given.indices[1::2])
    assert step.batch.mix_targets is None


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_share_of_the_channels_comes_from_the_uniform_images(share):
    step = a_step(f"h2t(share={share})")
    expected, mask = fused(step)
    assert int(mask.sum()) == 64 * share
    outputs = step.forward()
    torch.testing.assert_close(outputs["features"], expected)
    weight, bias = step.network.classifier.parameters()
    logits = expected @ weight.T + bias
    torch.testing.assert_close(outputs["logits"], logits)
    losses = F.cross_entropy(logits, random_batch().targets[1::2], reduction="none")
    torch.testing.assert_close(step.losses(outputs), losses)


@pytest.mark.parametrize(("share", "kept"), [(0.0, 1), (1.0, 0)])
def test_no_share_is_the_balanced_batch_and_all_of_it_the_uniform_one(share, kept):
    step = a_step(f"h2t(share={share})")
    plain = step.network(random_batch().images[kept::2])
    torch.testing.assert_close(step.forward()["logits"], plain["logits"])


def test_channels_are_drawn_anew_every_step_and_the_same_within_one():
    method = build("h2t")
    masks = [method.swapped(64, Clock("classifier", 0, 10, step, 50)) for step in range(400)]
    assert torch.equal(masks[0], method.swapped(64, Clock("classifier", 0, 10, 0, 50)))
    assert not torch.equal(masks[0], masks[1])
    often = torch.stack(masks).double().mean(0)
    assert 0.15 < often.min() < often.max() < 0.35  # 100 of 400, more than four deviations


def test_each_batch_is_normalised_by_its_own_statistics():
    step = a_step("h2t(share=0.0)")
    step.network.train()
    alone = step.network.backbone(random_batch().images[1::2])
    torch.testing.assert_close(step.forward()["features"], alone)


def test_the_second_stage_moves_the_classifier_alone_from_where_it_was():
    work, kept = training("h2t", 20), {}

    def observe(report):
        if report.loss is not None and report.epoch == 20:
            kept.update({k: v.clone() for k, v in work.network.state_dict().items()})

    work.run(observe)
    after = work.network.state_dict()
    changed = {name for name, value in kept.items() if not torch.equal(value, after[name])}
    statistics = {name for name in changed if "running" in name or "num_batches" in name}
    assert changed - statistics == {"classifier.weight", "classifier.bias"}
    assert statistics
    start = kept["classifier.weight"]
    assert 0 < (after["classifier.weight"] - start).norm() / start.norm() < 0.5


def test_a_second_way_of_mixing_images_is_refused():
    with pytest.raises(UsageError, match="two ways of mixing images in one composition"):
        build("h2t+mixup")
