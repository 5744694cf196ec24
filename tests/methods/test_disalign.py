"""DisAlign: the calibration's formula, its start at the identity, and what it weighs and trains."""

import math

import pytest
import torch
import torch.nn.functional as F
from made_methods import bound, resnet8

from ltbench import Batch, Clock, Recipe, Task, build
from ltbench.testing.synthetic import CLASSES, training

COUNTS = torch.tensor([60, 25, 10, 5])
PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)
CLOCK = Clock("calibration", 0, 10)


def entered():
    """A network at the start of the second stage, and the classifier it had."""
    method = bound("disalign", COUNTS)
    network = method.begin_stage(resnet8(4), "calibration").double().eval()
    return network, network.classifier.classifier


def calibration(rho=1.2):
    method = build(f"disalign(rho={rho})").stages(PAPER)[1].method
    method.setup(Task(COUNTS))
    return method


def features(images=5):
    return torch.randn(images, 64, generator=torch.Generator().manual_seed(1)).double()


def test_the_stages_under_the_paper_s_recipe():
    first, second = build("disalign").stages(PAPER)
    assert (first.name, first.recipe, first.method) == ("train", PAPER, None)
    assert second.recipe == Recipe(10, 128, 0.1, 2e-4, schedule="cosine")
    assert (second.sampler, second.evaluating) == ("instance_balanced", ("backbone",))


def test_at_its_start_the_calibration_is_the_identity():
    network, plain = entered()
    assert torch.equal(network.classifier(features()), plain(features()))


def test_the_calibration_is_its_formula_element_by_element():
    network, plain = entered()
    head, draw = network.classifier, torch.Generator().manual_seed(2)
    with torch.no_grad():
        head.alpha.copy_(torch.randn(4, generator=draw))
        head.beta.copy_(torch.randn(4, generator=draw))
    found, logits = head(features()).tolist(), plain(features()).tolist()
    weight, bias = head.confidence.weight[0].tolist(), head.confidence.bias.item()
    for i, a in enumerate(features().tolist()):
        trust = 1 / (1 + math.exp(-(sum(v * x for v, x in zip(weight, a, strict=True)) + bias)))
        for c in range(4):
            alpha, beta = head.alpha[c].item(), head.beta[c].item()
            expected = (1 + trust * alpha) * logits[i][c] + trust * beta
            assert found[i][c] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rho", [0.0, 0.8, 1.2])
def test_weights_are_powers_of_the_inverse_prior_that_add_up_to_the_classes(rho):
    raw = [(100 / n) ** rho for n in COUNTS.tolist()]
    expected = torch.tensor([4 * w / sum(raw) for w in raw])
    torch.testing.assert_close(calibration(rho).weights, expected)


@pytest.mark.parametrize("rho", [0.0, 1.2])
def test_the_mean_loss_is_torch_s_weighted_cross_entropy(rho):
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(12, 4, generator=draw, dtype=torch.float64)
    targets = torch.randint(4, (12,), generator=draw)
    method = calibration(rho)
    losses = method.losses({"logits": logits}, Batch((logits,), targets, targets), CLOCK)
    expected = F.cross_entropy(logits, targets, weight=method.weights.double())
    torch.testing.assert_close(losses.mean(), expected, rtol=1e-6, atol=0)
    if rho == 0:
        torch.testing.assert_close(losses, F.cross_entropy(logits, targets, reduction="none"))


def test_the_second_stage_trains_the_calibration_alone():
    work, plain = training("disalign", 20), training("ce", 20)
    started = []
    begin_stage = work.method.begin_stage

    def remembered(network, stage):
        begun = begin_stage(network, stage)
        started.append(begun.classifier.confidence.weight.detach().clone())
        return begun

    work.method.begin_stage = remembered
    for one in (work, plain):
        one.run(lambda report: None)
    after = work.network.state_dict()
    for name, value in plain.network.state_dict().items():
        assert torch.equal(after[name.replace("classifier.", "classifier.classifier.")], value)
    for added in ("alpha", "beta"):
        assert after[f"classifier.{added}"].shape == (CLASSES,)
        assert not torch.equal(after[f"classifier.{added}"], torch.zeros(CLASSES))
    (start,) = started
    assert not torch.equal(after["classifier.confidence.weight"], start)
