"""cRT: the first stage is plain training, the second a new classifier on what that left."""

import copy

import pytest
import torch
import torch.nn.functional as F

from ltbench import Recipe, build
from ltbench.engine.train import reset
from ltbench.testing import conformance
from ltbench.testing.synthetic import training

EPOCHS = 4
PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)


def trained(specification):
    """The finished training and its network's state after the first stage."""
    work, kept = training(specification, EPOCHS), {}

    def observe(report):
        if report.loss is not None and report.epoch == EPOCHS:
            kept.update(copy.deepcopy(work.network.state_dict()))

    work.run(observe)
    return work, kept


def split_up(state):
    """Weights and batch statistics of the backbone, and the classifier."""
    moving = {k: v for k, v in state.items() if "running" in k or "num_batches" in k}
    head = {k: v for k, v in state.items() if k.startswith("classifier")}
    rest = {k: v for k, v in state.items() if k not in moving and k not in head}
    return rest, moving, head


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


def test_the_stages_under_the_paper_s_recipe():
    first, second = build("crt").stages(PAPER)
    assert (first.name, first.recipe, first.sampler) == ("train", PAPER, "instance_balanced")
    assert second.recipe == Recipe(30, 128, 0.1, 2e-4, schedule="cosine")
    assert second.recipe.learning_rate_at(0) == 0.1
    assert second.recipe.learning_rate_at(15) == pytest.approx(0.05)
    assert (second.sampler, second.trainable) == ("class_balanced", ("classifier",))
    assert (second.reset, second.evaluating) == (("classifier",), ())
    assert build("crt(moving=False)").stages(PAPER)[1].evaluating == ("backbone",)


def test_a_short_recipe_keeps_one_epoch_for_the_classifier():
    assert build("crt").stages(Recipe(2, 8, 0.1, 0.0))[1].recipe.epochs == 1


@pytest.mark.parametrize(("specification", "plain"), [("crt", "ce"), ("crt+sam", "ce+sam")])
def test_the_first_stage_is_plain_training_bit_for_bit(specification, plain):
    _, kept = trained(specification)
    whole = training(plain, EPOCHS)
    whole.run(lambda report: None)
    assert same(kept, whole.network.state_dict())


@pytest.mark.parametrize(("specification", "moves"), [("crt", True), ("crt(moving=False)", False)])
def test_the_second_stage_trains_the_classifier_alone(specification, moves):
    work, kept = trained(specification)
    before, after = split_up(kept), split_up(work.network.state_dict())
    assert same(before[0], after[0])
    assert same(before[1], after[1]) == (not moves)
    assert not same(before[2], after[2])


def test_the_classifier_starts_anew_and_takes_the_steps_of_a_linear_softmax():
    """One step of the second stage from its own start, computed by hand."""
    work, kept = trained("crt(moving=False)")
    stage = work.stages[1]
    assert stage.recipe.epochs == 1
    network = copy.deepcopy(work.network).eval()
    network.load_state_dict(kept)
    reset(network, stage, seed=0)
    weight, bias = (p.detach().clone() for p in network.classifier.parameters())
    assert not torch.equal(weight, kept["classifier.weight"])
    from ltbench.data.batch import seed_of

    recipe, momentum = stage.recipe, [torch.zeros_like(weight), torch.zeros_like(bias)]
    batches = work.train.epoch(
        ("standard",), "class_balanced", recipe.batch_size, False,
        seed_of(0, "epoch", "classifier", 0),
    )  # fmt: skip
    for batch in batches:
        with torch.no_grad():
            features = network.backbone(batch.images)
            errors = (features @ weight.T + bias).softmax(1) - F.one_hot(batch.targets, 6)
            errors /= len(batch.targets)
            gradients = errors.T @ features, errors.sum(0)
            for p, g, m in zip((weight, bias), gradients, momentum, strict=True):
                m.mul_(0.9).add_(g + recipe.weight_decay * p)
                p.sub_(recipe.learning_rate * m)
    torch.testing.assert_close(work.network.classifier.weight.detach(), weight, rtol=0, atol=1e-5)
    torch.testing.assert_close(work.network.classifier.bias.detach(), bias, rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("specification", ["crt+sam", "crt(moving=False)"])
def test_conformance(specification):
    assert conformance.check(specification) == []
