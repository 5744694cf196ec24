"""LWS: only one scale a class trains in the second stage, on the biased logit."""

import copy

import pytest
import torch

from ltbench import Recipe, build
from ltbench.networks import ScaledClassifier, create
from ltbench.testing import conformance
from ltbench.testing.synthetic import CLASSES, training

EPOCHS = 4
PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)


def entered():
    """A plain network and its twin as the second stage begins it."""
    method = training("lws").method
    plain = create("resnet8", 3, CLASSES).double().eval()
    return plain, method.begin_stage(copy.deepcopy(plain), "scale").double().eval()


def images():
    return torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()


def test_the_stages_under_the_paper_s_recipe():
    first, second = build("lws").stages(PAPER)
    assert (first.name, first.recipe) == ("train", PAPER)
    assert second.recipe == Recipe(10, 128, 0.1, 2e-4, schedule="cosine")
    assert (second.sampler, second.trainable) == ("class_balanced", ("classifier.scale",))
    assert (second.reset, second.evaluating) == ((), ())
    assert build("lws(moving=False)").stages(PAPER)[1].evaluating == ("backbone",)


def test_scales_of_one_change_nothing():
    plain, scaled = entered()
    assert torch.equal(scaled(images())["logits"], plain(images())["logits"])


def test_the_scale_multiplies_the_biased_logit():
    plain, scaled = entered()
    factors = torch.linspace(-1, 2, CLASSES, dtype=torch.float64)
    with torch.no_grad():
        scaled.classifier.scale.copy_(factors)
        features = plain.backbone(images())
        weight, bias = plain.classifier.weight, plain.classifier.bias
        for c, factor in enumerate(factors):
            expected = factor * (features @ weight[c] + bias[c])
            torch.testing.assert_close(scaled(images())["logits"][:, c], expected)


@pytest.mark.parametrize(("specification", "moves"), [("lws", True), ("lws(moving=False)", False)])
def test_the_second_stage_trains_the_scales_alone(specification, moves):
    work, plain = training(specification, EPOCHS), training("ce", EPOCHS)
    for one in (work, plain):
        one.run(lambda report: None)
    assert isinstance(work.network.classifier, ScaledClassifier)
    after = work.network.state_dict()
    changed = set()
    for name, value in plain.network.state_dict().items():
        twin = name.replace("classifier.", "classifier.classifier.")
        if not torch.equal(after[twin], value):
            changed.add(name)
    statistics = {name for name in changed if "running" in name or "num_batches" in name}
    assert changed == statistics
    assert bool(statistics) == moves
    assert not torch.equal(after["classifier.scale"], torch.ones(CLASSES))


@pytest.mark.slow
def test_conformance():
    assert conformance.check("lws(moving=False)") == []
