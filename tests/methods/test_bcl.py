"""BCL against direct loops over its definition, and the network, settings and gradients it has."""

import copy
import math
from dataclasses import asdict

import pytest
import torch
import torch.nn.functional as F
from made_methods import batch_of, with_network

from ltbench import Clock, Recipe, Step, Task, build
from ltbench.api.perturb import Segments
from ltbench.blocks.contrastive import balanced_contrast
from ltbench.data.catalog import CATALOG
from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.runs.protocol import protocol_of
from ltbench.testing import conformance

CLOCK = Clock("train", 0, 1)


def made(specification="bcl", counts=(40, 20, 8, 3, 1), dtype=torch.float64):
    return with_network(specification, counts, dtype)


def unit_vectors(count, width=6, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(count, width, generator=draw, dtype=torch.float64), dim=1)


def contrast_by_loops(anchors, targets, prototypes, tau):
    """The definition, one anchor and one key at a time, in Python floats."""
    keys = [*anchors.tolist(), *prototypes.tolist()]
    labels = [*targets, *targets, *range(len(prototypes))]
    images = [list(targets).count(c) for c in range(len(prototypes))]
    losses = []
    for i in range(2 * len(targets)):
        similarity = [
            sum(a * b for a, b in zip(keys[i], key, strict=True)) / tau for key in keys
        ]  # fmt: skip
        denominator, positives = 0.0, []
        for k, label in enumerate(labels):
            if k == i:
                continue
            weight = 2 * images[label] + 1 - (label == labels[i])
            denominator += math.exp(similarity[k]) / weight
            if label == labels[i]:
                positives.append(similarity[k])
        assert len(positives) == 2 * images[labels[i]]
        losses.append(sum(math.log(denominator) - s for s in positives) / len(positives))
    return losses


@pytest.mark.parametrize(
    "targets", [[0, 0, 1, 3, 3, 3, 2], [2, 2, 2, 2], [4], [0, 1, 2, 3, 4], [1, 1, 1, 1, 1, 0]]
)
@pytest.mark.parametrize("tau", [0.07, 0.1, 1.0])
def test_contrast_is_the_definition(targets, tau):
    anchors, prototypes = unit_vectors(2 * len(targets)), unit_vectors(5, seed=1)
    found = balanced_contrast(anchors, torch.tensor(targets), prototypes, tau)
    loops = contrast_by_loops(anchors, targets, prototypes, tau)
    expected = torch.tensor(loops, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_contrast_of_equal_keys_counts_classes_not_images():
    """All keys alike: each other class weighs its mean, 1; the anchor's own class, 1: log C."""
    same = unit_vectors(1).expand(40, -1)
    targets = torch.tensor([0] * 15 + [1] * 4 + [2])
    found = balanced_contrast(same, targets, same[:7], 0.1)
    torch.testing.assert_close(found, torch.full_like(found, math.log(7)))


def test_contrast_follows_the_images():
    targets = torch.tensor([0, 0, 1, 3, 3, 2])
    anchors, prototypes = unit_vectors(12), unit_vectors(5, seed=1)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(2))
    views = anchors.unflatten(0, (2, 6))
    plain = balanced_contrast(anchors, targets, prototypes, 0.1).view(2, 6)
    moved = balanced_contrast(views[:, order].flatten(0, 1), targets[order], prototypes, 0.1)
    torch.testing.assert_close(moved.view(2, 6), plain[:, order])


def test_contrast_is_finite_where_exponentials_are_not():
    anchors, prototypes = unit_vectors(8).float(), unit_vectors(3, seed=1).float()
    anchors.requires_grad_()
    losses = balanced_contrast(anchors, torch.tensor([0, 0, 1, 2]), prototypes, 1e-3)
    losses.sum().backward()
    assert losses.isfinite().all()
    assert anchors.grad.isfinite().all()


@pytest.mark.parametrize("targets", [[0, 0, 1, 2, 0, 4, 3], [1, 1, 1]])
def test_mean_of_the_losses_is_the_papers_total(targets):
    method, network = made()
    batch = batch_of(targets, 3)
    outputs = method.forward(network, batch, CLOCK)
    losses = method.losses(outputs, batch, CLOCK)
    priors = torch.tensor((40, 20, 8, 3, 1)) / 72
    compensated = [
        math.log(sum(math.exp(o) * p for o, p in zip(row, priors.tolist(), strict=True)))
        - row[y] - math.log(priors[y])
        for row, y in zip(outputs["logits"].tolist(), targets, strict=True)
    ]  # fmt: skip
    anchors = outputs["projections"].transpose(0, 1).reshape(2 * len(targets), -1)
    contrast = contrast_by_loops(anchors, targets, outputs["prototypes"], 0.1)
    total = 2.0 * sum(compensated) / len(targets) + 0.6 * sum(contrast) / (2 * len(targets))
    assert losses.shape == (len(targets),)
    assert losses.mean().item() == pytest.approx(total, rel=1e-6)  # priors are float32
    each = [
        2.0 * own + 0.6 * (contrast[i] + contrast[i + len(targets)]) / 2
        for i, own in enumerate(compensated)
    ]
    assert losses.tolist() == pytest.approx(each, rel=1e-6)


def test_equal_priors_leave_cross_entropy():
    method, network = made("bcl(alpha=1.0, beta=0.0)", counts=(7, 7, 7))
    batch = batch_of([0, 1, 2, 1], 3)
    outputs = method.forward(network, batch, CLOCK)
    plain = F.cross_entropy(outputs["logits"], batch.targets, reduction="none")
    torch.testing.assert_close(method.losses(outputs, batch, CLOCK), plain)


def test_a_class_without_images_stays_a_negative():
    method, network = made(counts=(9, 3, 0))
    batch = batch_of([0, 0, 1], 3)
    losses = method.losses(method.forward(network, batch, CLOCK), batch, CLOCK)
    losses.mean().backward()
    assert losses.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters())
    assert network.classifier.weight.grad[2].abs().sum() > 0  # by its prototype


def test_outputs_are_of_the_right_views():
    method, network = made()
    network.eval()
    batch = batch_of([0, 1, 1, 3], 3)
    outputs = method.forward(network, batch, CLOCK)
    first, second, third = (network(view) for view in batch.views)
    torch.testing.assert_close(outputs["logits"], first["logits"])
    torch.testing.assert_close(outputs["features"], first["features"])
    for position, view in enumerate((second, third)):
        expected = network.projection(view["features"])
        torch.testing.assert_close(outputs["projections"][:, position], expected)
    torch.testing.assert_close(outputs["prototypes"], network.prototypes(network.classifier.weight))
    ones = torch.ones(4, 2).double()
    torch.testing.assert_close(outputs["projections"].norm(dim=2), ones)


def test_batch_norms_see_three_views_and_the_classes():
    method, network = made()
    batch = batch_of([0, 1, 1, 3], 3)
    hidden = network.prototypes.layers[0](network.classifier.weight).detach()
    stem = network.backbone.conv1(torch.cat(batch.views)).detach()
    method.backward(Step(method, network, batch, CLOCK))
    norm = network.prototypes.layers[1]
    torch.testing.assert_close(norm.running_mean, 0.1 * hidden.mean(0))
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * hidden.var(0))
    torch.testing.assert_close(network.backbone.bn1.running_mean, 0.1 * stem.mean((0, 2, 3)))
    norms = [m for m in network.modules() if hasattr(m, "num_batches_tracked")]
    assert {int(m.num_batches_tracked) for m in norms} == {1}


def test_contrast_trains_prototypes_and_classifier():
    method, network = made("bcl(alpha=0.0)")
    batch = batch_of([0, 0, 1], 3)
    step = Step(method, network, batch, CLOCK)
    method.backward(step)
    reached = [*network.prototypes.parameters(), *network.projection.parameters()]
    assert all(p.grad is not None for p in reached)
    assert all(p.grad.norm() > 0 for p in reached if p.ndim == 2)
    assert (network.classifier.weight.grad.norm(dim=1) > 0).all()  # absent classes too
    assert network.backbone.conv1.weight.grad.norm() > 0


def test_gradient_is_that_of_finite_differences():
    method, network = made()
    batch = batch_of([0, 0, 1, 4], 3)
    step = Step(method, network, batch, CLOCK)
    gradients = step.gradients(step.objective())
    draw = torch.Generator().manual_seed(3)
    # The backbone's ReLUs have kinks; the heads and classifier are enough for our own code.
    direction = {
        name: torch.randn(gradient.shape, generator=draw, dtype=torch.float64)
        for name, gradient in gradients.items()
        if not name.startswith("backbone")
    }
    small = 1e-6
    ahead = step.objective({name: small * part for name, part in direction.items()})
    behind = step.objective({name: -small * part for name, part in direction.items()})
    derivative = sum(float((gradients[name] * part).sum()) for name, part in direction.items())
    assert float((ahead - behind).detach()) / (2 * small) == pytest.approx(derivative, rel=1e-4)


def test_outputs_keep_to_their_images_when_these_are_reordered():
    """Segmented evaluation of zero displacements, image by image, is the plain one."""
    method, network = made()
    step = Step(method, network, batch_of([0, 1, 1, 3, 0], 3), CLOCK)
    nothing = {name: torch.zeros_like(p) for name, p in network.named_parameters()}
    plain = step.forward({})
    split = step.forward(Segments([nothing, nothing], torch.tensor([1, 0, 0, 1, 0])))
    for name, value in plain.items():
        torch.testing.assert_close(split[name], value, msg=name)


@pytest.mark.parametrize(("classes", "training", "plain"), [
    (10, 664_080, 463_504 + 640), (100, 669_840, 463_504 + 6400),
])  # fmt: skip
def test_parameter_counts(classes, training, plain):
    method = build("bcl")
    method.setup(Task(torch.arange(classes) + 1))
    network = method.build(create("resnet32", 3, classes))
    assert sum(p.numel() for p in network.parameters()) == training
    method.finalize(network)
    assert sum(p.numel() for p in network.parameters()) == plain


def test_prediction_needs_backbone_and_classifier_only():
    method, network = made()
    network.eval()
    images = batch_of([0, 1, 2], 3).images
    before = method.predict(network, images)
    final = copy.deepcopy(network)
    method.finalize(final)
    assert set(dict(final.named_children())) == {"backbone", "classifier"}
    assert torch.equal(method.predict(final, images), before)
    assert before.abs().max() <= 30.0001


def test_official_settings_under_the_paper_protocol():
    protocol = protocol_of("paper", CATALOG["cifar100_lt"])
    (stage,) = build("bcl").stages(protocol.recipe())
    expected = Recipe(
        epochs=200, batch_size=256, learning_rate=0.15, weight_decay=5e-4, warmup_epochs=5,
        decay=0.1, drop_last=True,
    )  # fmt: skip
    for name, value in asdict(expected).items():
        assert getattr(stage.recipe, name) == pytest.approx(value), name
    rates = [stage.recipe.learning_rate_at(epoch) for epoch in (0, 4, 5, 159, 160, 179, 180)]
    assert rates == pytest.approx([0.03, 0.15, 0.15, 0.15, 0.015, 0.015, 0.0015])
    assert build("bcl").views == ("autoaugment", "contrastive", "contrastive")


def test_heads_stay_in_float32_under_autocast():
    method, network = made(dtype=torch.float32)
    batch = batch_of([0, 1, 1, 3], 3, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = method.forward(network, batch, CLOCK)
    assert {name for name, value in outputs.items() if value.dtype == torch.float32} >= {
        "logits", "projections", "prototypes",
    }  # fmt: skip
    ones = torch.ones(4, 2)
    torch.testing.assert_close(outputs["projections"].norm(dim=2), ones, atol=1e-6, rtol=0)
    assert method.losses(outputs, batch, CLOCK).isfinite().all()


def test_the_same_step_twice_is_bit_equal():
    gradients = []
    for _ in range(2):
        method, network = made(dtype=torch.float32)
        method.backward(Step(method, network, batch_of([0, 1, 1, 3], 3, torch.float32), CLOCK))
        gradients.append([p.grad for p in network.parameters()])
    assert all(map(torch.equal, *gradients))


@pytest.mark.parametrize("parameters", ["tau=0.0", "scale=-1.0", "alpha=-0.1", "hidden=0"])
def test_parameters_out_of_range_are_refused(parameters):
    with pytest.raises(UsageError, match="must"):
        build(f"bcl({parameters})")


@pytest.mark.slow
@pytest.mark.parametrize("specification", ["bcl+sam", "bcl+posthoc_logit_adjustment"])
def test_conformance(specification):
    assert conformance.check(specification) == []
