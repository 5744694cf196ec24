"""RIDE: LDAM on every expert, the diversity term, its temperatures, and the mean that predicts."""

import math

import pytest
import torch
import torch.nn.functional as F
from made_methods import COUNTS, bound

from ltbench import Batch, Clock, Recipe, build
from ltbench.engine.evaluate import finalised
from ltbench.networks import create

PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)
EARLY, LATE = Clock("train", 159, 200), Clock("train", 160, 200)


def outputs(experts=3, images=12):
    draw = torch.Generator().manual_seed(0)
    each = 8 * torch.randn(images, experts, 5, generator=draw, dtype=torch.float64)
    targets = torch.randint(5, (images,), generator=draw)
    return {"experts": each, "logits": each.mean(1)}, targets


def losses(method, given, targets, clock):
    return method.losses(given, Batch((targets,), targets, targets), clock)


def ldam(logits, targets, late):
    """LDAM-DRW's mean by torch's own weights, margins by definition."""
    margins = torch.tensor([0.5 * (1 / n) ** 0.25 for n in COUNTS.tolist()], dtype=torch.float64)
    lowered = logits - 30 * F.one_hot(targets, 5) * margins
    raw = torch.tensor([(1 - 0.9999) / (1 - 0.9999**n) for n in COUNTS.tolist()]).double()
    return F.cross_entropy(lowered, targets, weight=raw if late else None)


def temperatures(late):
    if not late:
        return [1.0] * 5
    raw = [0.95 + 0.05 * 5 * n / 667 for n in COUNTS.tolist()]
    return [t / max(raw) for t in raw]


def divergence(p_logits, q_logits, by):
    """KL(softmax(p / T) | softmax(q / T)) of one image, in plain Python."""

    def shares(logits):
        powers = [math.exp(o / t) for o, t in zip(logits, by, strict=True)]
        return [power / sum(powers) for power in powers]

    p, q = shares(p_logits), shares(q_logits)
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def test_the_recipe_is_nesterov_with_decay_5e_4():
    (stage,) = build("ride").stages(PAPER)
    assert stage.recipe == Recipe(200, 128, 0.1, 5e-4, nesterov=True, warmup_epochs=5)


@pytest.mark.parametrize("clock", [EARLY, LATE], ids=["early", "late"])
@pytest.mark.parametrize("experts", [1, 2, 3])
def test_the_mean_loss_is_the_paper_s_sum(clock, experts):
    given, targets = outputs(experts)
    late = clock is LATE
    by = temperatures(late)
    expected = 0.0
    for k in range(experts):
        each = given["experts"][:, k]
        expected += ldam(each, targets, late).item()
        apart = [
            divergence(mean, own, by)
            for mean, own in zip(given["logits"].tolist(), each.tolist(), strict=True)
        ]
        expected += -0.45 * (sum(by) / 5) ** 2 * sum(apart) / len(apart)
    found = losses(bound(f"ride(number={experts})"), given, targets, clock).mean().item()
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("clock", [EARLY, LATE], ids=["early", "late"])
def test_experts_that_agree_pay_nothing_for_diversity(clock):
    given, targets = outputs(1)
    alike = {"experts": given["experts"].repeat(1, 3, 1), "logits": given["logits"]}
    found = losses(bound("ride"), alike, targets, clock)
    plain = losses(bound("ride(diversity=0.0)"), alike, targets, clock)
    torch.testing.assert_close(found, plain)
    assert found.mean().item() == pytest.approx(
        3 * ldam(given["logits"], targets, clock is LATE).item(), rel=1e-5
    )


def test_diversity_drives_experts_apart_and_leaves_the_mean_constant():
    given, targets = outputs(2)
    each = given["experts"].clone().requires_grad_()
    part = losses(
        bound("ride(number=2)"), {"experts": each, "logits": each.mean(1)}, targets, EARLY
    )
    rest = losses(
        bound("ride(number=2, diversity=0.0)"), {"experts": each, "logits": each.mean(1)}, targets,
        EARLY,
    )  # fmt: skip
    (found,) = torch.autograd.grad((part - rest).sum(), each)
    mean, own = each.mean(1, keepdim=True).softmax(2), each.softmax(2)
    torch.testing.assert_close(found, -0.45 * (own - mean))  # of KL(const | softmax(o))


@pytest.mark.parametrize("number", [2, 3])
def test_the_mean_of_the_experts_predicts(number):
    method = bound(f"ride(number={number})")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = method.build(create("resnet8", 3, 5)).double().eval()
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    made = method.forward(network, Batch((images,), images, images), EARLY)
    assert made["experts"].shape == (4, number, 5)
    torch.testing.assert_close(made["logits"], made["experts"].sum(1) / number)
    predicted = method.predict(finalised(method, network), images)
    torch.testing.assert_close(predicted, made["logits"])
    assert made["experts"].abs().max() <= 30
