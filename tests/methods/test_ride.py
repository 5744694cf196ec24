"""RIDE: LDAM on every expert, diversity, the mean that predicts; its teacher and its router."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from made_methods import COUNTS, bound
from made_trainings import split, training

from ltbench import Batch, Clock, Recipe, build
from ltbench.engine.evaluate import finalised
from ltbench.errors import UsageError
from ltbench.networks import create

PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)
EARLY, LATE = Clock("train", 159, 200), Clock("train", 160, 200)
ROUTER = Clock("router", 0, 5)


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


def test_stages_of_the_options_are_the_release_s():
    teacher, student, router = build("ride@distilled(router=True)").stages(PAPER)
    (plain,) = build("ride").stages(PAPER)
    assert teacher.recipe == plain.recipe
    assert (teacher.trainable, teacher.evaluating) == (("teacher.",), ("backbone",))
    assert student.recipe == Recipe(200, 128, 0.1, 5e-4, nesterov=True, warmup_epochs=20)
    assert (student.trainable, student.evaluating) == (("backbone.", "classifier."), ("teacher",))
    assert router.recipe == Recipe(5, 512, 0.1 * 0.1, 5e-4, nesterov=True, schedule="cosine")
    assert (router.sampler, router.trainable) == ("class_balanced", ("router.",))
    assert router.evaluating == ("backbone",)


@pytest.mark.parametrize("experts", [2, 3])
def test_distillation_adds_the_divergence_from_the_teacher_and_multiplies_by_the_experts(experts):
    given, targets = outputs(experts)
    draw = torch.Generator().manual_seed(3)
    given["teacher"] = 8 * torch.randn(12, 5, generator=draw, dtype=torch.float64)
    rows = zip(given["teacher"].tolist(), given["logits"].tolist(), strict=True)
    apart = sum(divergence(teacher, mean, [1.5] * 5) for teacher, mean in rows) / 12
    name = f"ride(number={experts}, diversity=-0.2"
    alone = losses(bound(name + ")"), outputs(experts)[0], targets, EARLY).mean().item()
    found = losses(bound(name + ", teacher=6)"), given, targets, EARLY).mean().item()
    assert found == pytest.approx(experts * (alone + 1.5**2 * apart), rel=1e-5)


def test_the_teacher_learns_by_its_own_weight_of_diversity():
    given, targets = outputs(6)
    found = losses(bound("ride@distilled"), given, targets, Clock("teacher", 0, 200))
    wanted = losses(bound("ride(number=6, diversity=-0.1)"), given, targets, EARLY)
    torch.testing.assert_close(found, wanted)


def test_the_router_learns_whether_a_later_mean_is_right_where_this_one_is_wrong():
    given, targets = outputs(3, images=40)
    says = torch.randn(40, 2, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    expected, helped = [], 0
    for logits, target, row in zip(given["experts"], targets.tolist(), says.tolist(), strict=True):
        right = [int(sum(logits[: k + 1]).argmax()) == target for k in range(3)]
        total = 0.0
        for k in range(2):
            yes = 1 / (1 + math.exp(-row[k]))
            helps = not right[k] and any(right[k + 1 :])
            helped += helps
            total -= 100 * math.log(yes) if helps else math.log(1 - yes)
        expected.append(total / 2)
    found = losses(bound("ride(router=True)"), {**given, "router": says}, targets, ROUTER)
    assert 5 < helped < 75
    assert found.tolist() == pytest.approx(expected)


def routed_network(method, teacher=False):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = method.build(create("resnet8", 3, 5))
        assert hasattr(network, "teacher") == teacher
        return method.begin_stage(network, "router").double().eval()


def test_images_are_predicted_by_the_experts_that_the_router_asks():
    method = bound("ride(router=True, top=3)")
    network = routed_network(method)
    images = torch.randn(60, 3, 8, 8, generator=torch.Generator().manual_seed(1)).double()
    with torch.no_grad():
        network.router.last.bias.fill_(0.4 - network.router(*experts_of(network, images)).mean())
        found = method.predict(network, images)
        features, each = experts_of(network, images)
    counts = set()
    for image in range(60):
        total, asked = each[image, 0].clone(), 1
        for k in range(2):
            own = features[image, 48 * k : 48 * (k + 1)]
            inner = (network.router.hidden[k](own / own.norm())).clamp_min(0)
            seen = torch.cat(((total / asked).sort(descending=True).values[:3], inner))
            if network.router.last(seen).item() <= 0:
                break
            total, asked = total + each[image, k + 1], asked + 1
        counts.add(asked)
        torch.testing.assert_close(found[image], total / asked)
    assert counts == {1, 2, 3}


def experts_of(network, images):
    features = network.backbone(images)
    return features, network.classifier.each(features)


@pytest.mark.slow
def test_each_stage_trains_its_part_alone_and_the_teacher_is_left_out_at_the_end():
    method, weights = build("ride(number=2, teacher=3, router=True)"), {}
    work = training(split(), method, epochs=4)

    def keep(event):
        if event.curves is not None:
            weights[event.curves["stage"]] = copy.deepcopy(work.network.state_dict())

    before = copy.deepcopy(work.network.state_dict())
    work.run(keep)
    for stage, moving in [("teacher", "teacher."), ("train", ""), ("router", "router.")]:
        after = weights[stage]
        moved = {name for name in before if not torch.equal(before[name], after[name])}
        own = {name for name in after if name.startswith(moving)} & before.keys()
        assert moved == (own if moving else {n for n in own if not n.startswith("teacher.")})
        before = after
    assert {name.split(".")[0] for name in finalised(method, work.network).state_dict()} == {
        "backbone", "classifier", "router",
    }  # fmt: skip
    assert 1 <= work.progress.curves[-1]["experts"] <= 2


def test_options_that_are_off_leave_the_initial_weights_as_they_were():
    networks = []
    for text in ("ride", "ride@distilled"):
        method = bound(text)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            networks.append(method.build(create("resnet8", 3, 5)).state_dict())
    plain, distilled = networks
    assert all(torch.equal(value, distilled[name]) for name, value in plain.items())
    assert any(name.startswith("teacher.") for name in distilled)


def test_one_expert_has_nothing_to_route():
    with pytest.raises(UsageError, match="a router needs two experts at least"):
        build("ride(number=1, router=True)")
