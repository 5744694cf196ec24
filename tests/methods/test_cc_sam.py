"""CC-SAM against per-class loops over its equations, its controls, both stages and the recipe."""

import copy
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from ltbench.methods import cc_sam
from made_methods import batch_of, with_network

from ltbench import Clock, Method, Recipe, Step, build, describe
from ltbench.api.perturb import Segments, evaluate_at, norm
from ltbench.blocks.group_gradients import owned_gradients
from ltbench.blocks.mixup import mixed
from ltbench.data.catalog import CATALOG, dataset
from ltbench.data.readers import load
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Training
from ltbench.engine.precision import autocast_of
from ltbench.engine.settings import Settings
from ltbench.engine.train import optimiser_for, train_epoch
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.files import write_file
from ltbench.runs.protocol import protocol_of
from ltbench.testing import conformance
from ltbench.testing.synthetic import CLASSES, split, training

COUNTS = (40, 12, 5, 2, 1)
TARGETS = [0, 3, 0, 1, 2, 0, 1, 0, 4]  # every class; the rare ones with a single image
CLOCK = Clock("representation", 1, 4, 2, 5, 7)
FREE = "cap=1e9"  # Eq. 8 without the cap


def made(parameters="", counts=COUNTS, training=True):
    specification = f"cc_sam{parameters}" if "@" in parameters else f"cc_sam({parameters})"
    method, network = with_network(specification, counts)
    return method, network.train(training)


def radius_of(method):
    return cc_sam.Radius(method.s, method.cap, method.task.class_counts)


def taken(method, network, batch, clock=CLOCK):
    """Take one step's gradients; return the step and the gradients by name."""
    network.zero_grad()
    step = Step(method, network, batch, clock)
    method.backward(step)
    return step, {name: p.grad.clone() for name, p in network.named_parameters()}


def close(left, right, tolerance=1e-10):
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], atol=tolerance, rtol=1e-6, msg=name)


def length(s, size, weights, gradient, count):
    """|eps_c| as Eq. 8 and 9 have it."""
    rho = (weights / (2 * gradient)) ** 0.5 * size**-0.25 * (max(count, 2) - 1) ** -0.25
    return s * size**0.5 * rho


def averaged(losses, targets, average):
    if average == "sample":
        return losses.mean()
    means = [losses[targets == c].mean() for c in targets.unique()]
    return torch.stack(means).mean()


def descended_by_loops(method, network, batch):
    """Head form: the classes one after another, gradients by autograd, weights displaced."""
    targets, head = batch.targets, network.classifier
    seen = mixed(batch, CLOCK, 1.0) if method.mixup else batch
    outputs = method.forward(network, seen, CLOCK)
    losses = method.losses(outputs, batch, CLOCK)
    if method.mixup:
        other = F.cross_entropy(outputs["logits"], seen.mix_targets, reduction="none")
        losses = seen.mix_ratio * losses + (1 - seen.mix_ratio) * other
    weights = [head.weight, head.bias]
    size, theta = sum(w.numel() for w in weights), norm(dict(enumerate(weights)))
    displaced = torch.zeros_like(losses)
    for c in targets.unique():
        member = targets == c
        gradients = torch.autograd.grad(losses[member].mean(), weights, retain_graph=True)
        norms = [gradient.norm() for gradient in gradients]
        if not method.per_tensor:
            norms = [(norms[0] ** 2 + norms[1] ** 2).sqrt()] * 2
        matrix, bias = (
            w + length(method.s, size, theta, n, COUNTS[c]) * gradient / n
            for w, gradient, n in zip(weights, gradients, norms, strict=True)
        )
        logits = F.linear(outputs["features"][member], matrix, bias)
        own = F.cross_entropy(logits, targets[member], reduction="none")
        displaced = displaced.masked_scatter(member, own)
    value = method.flat * averaged(displaced, targets, method.average)
    return value + (1 - method.flat) * losses.mean(), displaced


@pytest.mark.parametrize(
    "parameters",
    [
        f"perturbed='head', s=0.05, {FREE}",
        f"perturbed='head', s=0.05, average='sample', {FREE}",
        f"perturbed='head', s=0.05, flat=0.3, per_tensor=True, {FREE}",
        f"@release(s=0.05, {FREE})",
        "@release",
    ],
)
def test_the_loop_free_head_form_is_the_loop_over_classes(parameters):
    method, network = made(parameters)
    batch, twin = batch_of(TARGETS), copy.deepcopy(network)
    value, displaced = descended_by_loops(method, twin, batch)
    value.backward()
    plain = method.losses(method.forward(copy.deepcopy(network), batch, CLOCK), batch, CLOCK)
    if method.s > 1e-3:
        assert (displaced - plain).abs().max() > 0.01  # there is something to compare
    _, gradients = taken(method, network, batch)
    close(gradients, {name: p.grad for name, p in twin.named_parameters()})


def test_the_head_form_in_single_precision():
    method, network = made(f"perturbed='head', s=0.05, {FREE}")
    network, batch = network.float(), batch_of(TARGETS)
    batch = batch._replace(views=(batch.images.float(),))
    twin = copy.deepcopy(network)
    descended_by_loops(method, twin, batch)[0].backward()
    _, gradients = taken(method, network, batch)
    close(gradients, {name: p.grad for name, p in twin.named_parameters()}, 1e-6)


def spied(monkeypatch):
    """Collect the class gradients that the full form finds."""
    gradients, scaled = [], cc_sam.scaled

    def spy(gradient, radius):
        gradients.append(gradient)
        return scaled(gradient, radius)

    monkeypatch.setattr(cc_sam, "scaled", spy)
    return gradients


@pytest.mark.parametrize("gradients", ["owned", "exact"])
@pytest.mark.parametrize("average", ["class", "sample"])
def test_the_full_form_is_the_loop_over_classes(gradients, average):
    """With fixed batch statistics, where a class's gradient and loss are its images' alone."""
    method, network = made(
        f"s=0.002, {FREE}, gradients={gradients!r}, average={average!r}", training=False
    )
    batch, twin = batch_of(TARGETS), copy.deepcopy(network)
    named = dict(twin.named_parameters())
    size, theta = sum(p.numel() for p in named.values()), norm(named)
    losses = method.losses(twin(batch.images), batch, CLOCK)
    displaced = torch.zeros_like(losses)
    for c in batch.targets.unique():
        member = batch.targets == c
        mean = losses[member].mean()
        gradients = torch.autograd.grad(mean, list(named.values()), retain_graph=True)
        gradient = dict(zip(named, gradients, strict=True))
        factor = length(0.002, size, theta, norm(gradient), COUNTS[c]) / norm(gradient)
        perturbation = {name: factor * part for name, part in gradient.items()}
        logits = evaluate_at(twin, perturbation, lambda there: there(batch.images)["logits"])
        own = F.cross_entropy(logits, batch.targets, reduction="none")
        displaced = torch.where(member, own, displaced)
    assert (displaced - losses).abs().max() > 0.01
    averaged(displaced, batch.targets, average).backward()
    _, gradients = taken(method, network, batch)
    close(gradients, {name: p.grad for name, p in twin.named_parameters()})


def test_the_head_form_is_the_segmented_one_on_the_head():
    method, network = made(f"perturbed='head', s=0.05, {FREE}")
    batch = batch_of(TARGETS)
    step = Step(method, network, batch, CLOCK)
    outputs = step.forward()
    losses = step.losses(outputs)
    moved = cc_sam.class_logits(step, outputs, losses, radius_of(method))
    head = {
        "classifier.weight": network.classifier.weight,
        "classifier.bias": network.classifier.bias,
    }
    size, perturbations = sum(w.numel() for w in head.values()), []
    for c, count in enumerate(COUNTS):
        gradient = step.gradients(losses[batch.targets == c].mean(), "classifier.", retain=True)
        factor = length(0.05, size, norm(head), norm(gradient), count) / norm(gradient)
        perturbations.append({name: factor * part for name, part in gradient.items()})
    expected = step.forward(Segments(perturbations, batch.targets))["logits"]
    torch.testing.assert_close(moved, expected, atol=1e-10, rtol=1e-8)


def test_with_batch_statistics_exact_gradients_are_of_the_class_losses(monkeypatch):
    seen = spied(monkeypatch)
    method, network = made("gradients='exact'")
    batch, twin = batch_of(TARGETS), copy.deepcopy(network)
    losses = method.losses(twin(batch.images), batch, CLOCK)
    taken(method, network, batch)
    for c, gradient in enumerate(seen):
        mean = losses[batch.targets == c].mean()
        parts = torch.autograd.grad(mean, list(twin.parameters()), retain_graph=True)
        close(gradient, dict(zip(gradient, parts, strict=True)))


def test_owned_gradients_add_up_to_the_batch_s(monkeypatch):
    seen = spied(monkeypatch)
    method, network = made("gradients='owned'")
    batch, twin = batch_of(TARGETS), copy.deepcopy(network)
    method.losses(twin(batch.images), batch, CLOCK).mean().backward()
    step, _ = taken(method, network, batch)
    assert step.outputs is not None
    statistics = dict(network.named_buffers())
    close(statistics, dict(twin.named_buffers()))  # the undisplaced pass has moved them
    shares = torch.tensor(TARGETS).bincount() / len(TARGETS)
    for name, parameter in twin.named_parameters():
        total = sum(s * gradient[name] for s, gradient in zip(shares, seen, strict=True))
        torch.testing.assert_close(total, parameter.grad, atol=1e-10, rtol=1e-6)


@pytest.mark.parametrize("form", ["full", "head"])
def test_radius_by_class(form, monkeypatch):
    """Eq. 8 in n_c at one gradient norm: rarer is farther; one image counts as two."""
    method, network = made(f"perturbed={form!r}, s=0.01, {FREE}")
    named = dict(network.named_parameters())
    radii = radius_of(method).of(named, torch.full((5,), 0.3), torch.arange(5))
    size, theta = sum(p.numel() for p in named.values()), norm(named).item()
    expected = [length(0.01, size, theta, 0.3, count) for count in COUNTS]
    torch.testing.assert_close(radii.double(), torch.tensor(expected).double())
    assert radii[0] < radii[1] < radii[2] < radii[3] == radii[4]


def test_the_cap_holds_the_rarest_class_and_the_others_in_proportion():
    method, network = made("cap=0.02")
    named = dict(network.named_parameters())
    radii = radius_of(method).of(named, torch.full((5,), 1e-9), torch.arange(5))
    ratios = radii.double() / norm(named)
    expected = [0.02 * (max(count, 2) - 1) ** -0.25 for count in COUNTS]
    torch.testing.assert_close(ratios, torch.tensor(expected).double(), atol=1e-7, rtol=1e-6)


class Staged(Method):
    """A method with one stage of another's; in charge is that one, or plain cross-entropy."""

    def __init__(self, stage, method=None):
        self.stage, self.state = replace(stage, method=method), {}

    def stages(self, recipe):
        return (self.stage,)


@pytest.mark.parametrize("form", ["full", "head"])
def test_without_radius_it_is_plain_training_bit_for_bit(form):
    work = training(f"cc_sam(s=0.0, perturbed={form!r}, average='sample')")
    trained = []
    for method in (work.method, None):
        own = Training(Staged(work.stages[0], method), split(), work.settings)
        own.run(lambda report: None)
        trained.append(own.network.state_dict())
    assert conformance.equal(*trained)


def test_without_radius_the_class_average_is_that_of_cross_entropy():
    method, network = made("s=0.0")
    batch, twin = batch_of(TARGETS), copy.deepcopy(network)
    losses = F.cross_entropy(twin(batch.images)["logits"], batch.targets, reduction="none")
    averaged(losses, batch.targets, "class").backward()
    _, gradients = taken(method, network, batch)
    close(gradients, {name: p.grad for name, p in twin.named_parameters()})


@pytest.mark.parametrize("form", ["full", "head"])
def test_a_small_radius_ascends(form):
    """The displaced loss of every class lies above the plain one."""
    method, network = made(f"perturbed={form!r}, s=1e-4, {FREE}", training=False)
    step = Step(method, network, batch_of(TARGETS), CLOCK)
    outputs = step.forward()
    losses = step.losses(outputs)
    if form == "full":
        _, gradients = owned_gradients(step, step.batch.targets)
        logits = step.forward(cc_sam.class_segments(step, gradients, radius_of(method)))["logits"]
    else:
        logits = cc_sam.class_logits(step, outputs, losses, radius_of(method))
    rises = F.cross_entropy(logits, step.batch.targets, reduction="none") - losses
    means = [rises[step.batch.targets == c].mean() for c in range(len(COUNTS))]
    assert min(means) > 0


@pytest.mark.parametrize("form", ["full", "head"])
@pytest.mark.parametrize("targets", [[2, 2, 2], [4], [0, 1]])
def test_classes_may_be_absent_or_alone(form, targets):
    method, network = made(f"perturbed={form!r}")
    _, gradients = taken(method, network, batch_of(targets))
    assert all(part.isfinite().all() for part in gradients.values())


@pytest.mark.parametrize("form", ["full", "head"])
def test_a_class_without_gradient_stays_where_it_is(form):
    """Its direction does not exist; Eq. 8 would send it to infinity."""
    method, network = made(f"perturbed={form!r}, {FREE}")
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.copy_(torch.tensor([2000.0, 0, 0, 0, 0]))
    step, gradients = taken(method, network, batch_of([0, 0, 0, 0]))
    assert step.logged["cc_sam_ratio"] == 0
    assert all((part == 0).all() for part in gradients.values())


@pytest.mark.parametrize("form", ["full", "head"])
def test_the_logged_ratio_is_of_the_lengths_to_the_weights(form):
    """At a cap that binds for all: 0.001 of |w| for the rarest class, less by (n_c - 1)^(-1/4)."""
    method, network = made(f"perturbed={form!r}, s=1e3, cap=0.001")
    step, _ = taken(method, network, batch_of([0, 1, 2, 3, 4]))
    ratios = [0.001 * (max(count, 2) - 1) ** -0.25 for count in COUNTS]
    assert float(step.logged["cc_sam_ratio"]) == pytest.approx(sum(ratios) / 5, rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["full", "head"])
def test_on_real_images_displacements_are_those_of_the_equation_times_s(form, monkeypatch):
    """Eq. 8 for every class and step while losses are large: the cap does nothing, precision holds.

    A warm-up keeps them large: at the full rate from the start, class 2 once comes to the cap.
    As printed, at s = 1, a class would go 5 % of the weights' norm and more.
    """
    seen, of = [], cc_sam.Radius.of

    def watched(self, weights, gradients, classes):
        lengths = of(self, weights, gradients, classes)
        size, theta = sum(w.numel() for w in weights.values()), float(norm(weights))
        for found, gradient, c in zip(
            lengths.flatten().tolist(), gradients.flatten().tolist(),
            classes.expand_as(lengths).flatten().tolist(), strict=True,
        ):  # fmt: skip
            count = int(self.class_counts[c])
            seen.append((found / theta, length(0.002, size, theta, gradient, count) / theta))
        return lengths

    monkeypatch.setattr(cc_sam.Radius, "of", watched)
    info = CATALOG["digits_lt"]
    recipe = replace(protocol_of("fast(epochs=2)", info).recipe(), warmup_epochs=2)
    settings = Settings(info, "resnet8", recipe, "float32", 2, 0, torch.device("cpu"))
    method = build(f"cc_sam(perturbed={form!r})")
    Training(method, load(dataset("digits_lt"), Path("data")), settings).run(lambda report: None)
    found, printed = torch.tensor(seen).T
    assert len(found) > 100
    torch.testing.assert_close(found, printed, rtol=1e-5, atol=0)
    assert found.min() > torch.finfo(torch.bfloat16).eps / 64
    assert found.min() / 0.002 > 0.05
    assert found.max() < 0.01


@pytest.mark.parametrize(("s", "lost"), [(1e-10, True), (1e-6, False)])
def test_a_heads_displacement_is_added_in_float32_and_warned_of_below_that(s, lost):
    """Whatever the network's pass is in: the release's 1e-6 is resolved in a bfloat16 training."""
    method, network = made(f"perturbed='head', s={s}")
    step = Step(method, network.float(), batch_of(TARGETS), replace(CLOCK, step=0))
    step.batch = step.batch._replace(views=(step.batch.images.float(),))
    step.autocast = autocast_of("bfloat16", torch.device("cpu"))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        method.backward(step)
    assert sum("rounding in float32" in str(each.message) for each in found) == lost
    assert not any("rounding in bfloat16" in str(each.message) for each in found)


def test_the_release_descends_along_mixed_images_displaced_towards_their_first():
    """With half of the loss displaced, by a displacement of nothing and by torch's own steps."""
    method, network = made("@release(s=0.0)")
    step = Step(method, network, batch_of(TARGETS), CLOCK)
    method.backward(step)
    found = [parameter.grad.clone() for parameter in network.parameters()]
    network.zero_grad()
    batch, draw = batch_of(TARGETS), CLOCK.generator("mixing")
    seed = int(torch.randint(2**62, (), generator=draw))
    share = np.random.default_rng(seed).beta(1, 1)
    order = torch.randperm(len(TARGETS), generator=draw)
    logits = network(share * batch.images + (1 - share) * batch.images[order])["logits"]
    first, second = (F.cross_entropy(logits, t) for t in (batch.targets, batch.targets[order]))
    value = 0.5 * first + 0.5 * (share * first + (1 - share) * second)
    value.backward()
    for one, other in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(one, other.grad)
    assert step.loss is not None
    torch.testing.assert_close(step.loss, (share * first + (1 - share) * second).detach())


def test_the_release_mixes_the_same_way_at_one_clock():
    losses = []
    for clock in (CLOCK, CLOCK, replace(CLOCK, step=3)):
        method, network = made("@release")
        step = Step(method, network, batch_of(TARGETS), clock)
        method.backward(step)
        losses.append(float(step.loss))
    assert losses[0] == losses[1] != losses[2]


def second_stage(parameters=""):
    method, network = made(parameters)
    stage = method.stages(Recipe(20, 32, 0.1, 2e-4))[1]
    stage.method.setup(method.task)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(stage.trainable))
    return stage, stage.method, network


def displaced(method, network, batch):
    outputs = method.forward(network, batch, CLOCK)
    return outputs | method.displaced(network.classifier, outputs["features"], batch.targets)


@pytest.mark.parametrize("parameters", ["strength=0.7", "@release(strength=0.7)"])
def test_adversarial_features_by_loops(parameters):
    """Eq. 12 image by image; as released class by class, with weights."""
    _, method, network = second_stage(parameters)
    batch, head = batch_of(TARGETS), network.classifier
    outputs = displaced(method, network, batch)
    features = outputs["features"].detach().requires_grad_()
    weights = torch.ones(len(TARGETS), dtype=torch.float64)
    moved = torch.zeros_like(features)
    for c in batch.targets.unique():
        member = batch.targets == c
        if method.weighted:
            weights[member] = 0.5 * float(torch.tensor(40 / COUNTS[c] + 0.01).double().log())
            mean = F.cross_entropy(head(features)[member], batch.targets[member])
            (gradient,) = torch.autograd.grad(mean, features)
            moved += 0.7 * weights[member][0] * gradient / gradient.norm()
            continue
        for i in member.nonzero().squeeze(1):
            loss = F.cross_entropy(head(features[i]), batch.targets[i])
            (gradient,) = torch.autograd.grad(loss, features)
            moved += 0.7 * gradient / gradient.norm()
    expected = head(features.detach() + moved)
    torch.testing.assert_close(outputs["adversarial"], expected)
    torch.testing.assert_close(outputs["weights"], weights, atol=1e-6, rtol=1e-6)
    lengths = moved.norm(dim=1)
    if not method.weighted:
        torch.testing.assert_close(lengths, torch.full_like(lengths, 0.7))


@pytest.mark.parametrize("limit", [1.0, 0.3])
def test_the_mix_grows_with_the_epochs_up_to_its_limit(limit):
    _, method, network = second_stage(f"limit={limit}")
    batch = batch_of(TARGETS)
    outputs = displaced(method, network, batch)
    plain, adversarial = (
        F.cross_entropy(outputs[name], batch.targets, reduction="none")
        for name in ("logits", "adversarial")
    )
    for epoch in range(4):
        share = min((epoch + 1) / 4, limit)
        losses = method.losses(outputs, batch, Clock("classifier", epoch, 4))
        torch.testing.assert_close(losses, (1 - share) * plain + share * adversarial)


def test_features_without_gradient_stay():
    _, method, network = second_stage()
    with torch.no_grad():
        network.classifier.weight.zero_()
    outputs = displaced(method, network, batch_of(TARGETS))
    torch.testing.assert_close(outputs["adversarial"], outputs["logits"])


@pytest.mark.parametrize("moving", [False, True])
def test_the_second_stage_moves_only_the_classifier(moving):
    work = training(f"cc_sam(s=0.0, moving={moving})")
    stage, network = work.stages[1], work.network
    stage.method.setup(work.task)
    before = copy.deepcopy(network.state_dict())
    train_epoch(
        stage.method, network, optimiser_for(network, stage), feed=work.train, stage=stage,
        epoch=0, autocast=work.autocast, seed=0, after_step=lambda *counts: None,
    )  # fmt: skip
    parameters = dict(network.named_parameters())
    for name, value in network.state_dict().items():
        moves = name.startswith("classifier.") or (name not in parameters and moving)
        assert torch.equal(value, before[name]) != moves, name


def test_the_second_stage_sees_every_class_as_often():
    work = training("cc_sam")
    stage = work.stages[1]
    assert stage.sampler == "class_balanced"
    seen = torch.zeros(CLASSES)
    for seed in range(60):
        for batch in work.train.epoch(("clean",), stage.sampler, 16, False, seed):
            seen += batch.targets.bincount(minlength=CLASSES)
    shares = seen / seen.sum()
    assert shares.min() > 0.14
    assert shares.max() < 0.2  # of six classes, whose counts run from 40 to 1


def test_the_official_recipe_holds_at_paper():
    first, second = build("cc_sam").stages(protocol_of("paper", CATALOG["cifar100_lt"]).recipe())
    recipe = first.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.weight_decay) == (200, 64, 2e-4)
    rates = [recipe.learning_rate_at(epoch) for epoch in (10, 159, 160, 180)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])
    assert (second.recipe.epochs, second.recipe.batch_size) == (30, 64)
    assert {second.recipe.learning_rate_at(epoch) for epoch in range(30)} == {0.1 * 0.1}
    assert second.trainable == ("classifier.",)
    assert not second.trains_backbone


def test_a_short_or_cosine_recipe_keeps_two_stages():
    for recipe in (Recipe(1, 1, 0.1, 0.0), Recipe(4, 8, 0.1, 0.0, schedule="cosine")):
        first, second = build("cc_sam").stages(recipe)
        assert first.recipe.batch_size >= 1
        assert second.recipe.epochs == 1
        assert second.recipe.learning_rate_at(0) == pytest.approx(0.01)


def test_the_release_and_what_records_say_of_the_second_stage():
    release = build("cc_sam@release_cifar10")
    assert (release.perturbed, release.s, release.flat, release.limit) == ("head", 1e-6, 0.3, 1.0)
    recipe = Recipe(4, 8, 0.1, 0.0)
    second = release.stages(recipe)[1]
    assert describe(second.method) == "adversarial_classifier(weighted=True)"
    assert second.evaluating == ()
    assert build("cc_sam").stages(recipe)[1].evaluating == ("backbone",)


def test_its_gradient_rule_and_its_way_of_mixing_are_the_only_ones():
    with pytest.raises(UsageError, match="two gradient rules"):
        build("cc_sam+sam")
    with pytest.raises(UsageError, match="mixes images itself"):
        build("cc_sam@release+mixup")
    assert build("cc_sam+mixup").mixer.alpha > 0


def test_the_radius_is_that_of_the_loss_without_its_weight():
    """A penalty beside it lowers the loss's weight, which is no reason to go farther."""
    displaced = []
    for weight in (1.0, 0.25):
        method, network = made(f"perturbed='head', s=0.05, {FREE}")
        method.loss_weight = lambda clock, weight=weight: weight
        step, _ = taken(method, network, batch_of(TARGETS))
        displaced.append(step.logged["cc_sam_ratio"])
    torch.testing.assert_close(*displaced)


def test_another_head_is_refused_by_the_head_form():
    method, network = made("perturbed='head'")
    torch.nn.utils.parametrizations.weight_norm(network.classifier)
    with pytest.raises(LtbenchError, match="plain linear"):
        taken(method, network, batch_of(TARGETS))


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ("s=-0.1", "must be at least 0"),
        ("flat=1.5", "must be from 0 to 1"),
        ("per_tensor=True", "per_tensor"),
        ("flat=0.5", "flat"),
        ("mixup=True", "mixup"),
        ("perturbed='head', gradients='owned'", "exact"),
    ],
)
def test_parameters_that_make_no_sense(parameters, word):
    with pytest.raises(UsageError, match=word):
        build(f"cc_sam({parameters})")


@pytest.mark.slow
def test_conformance_of_the_head_only_form():
    assert conformance.check("cc_sam(perturbed='head')") == []


def test_the_second_stage_resumes_bit_for_bit(tmp_path):
    """Interrupted in the last of 14 + 2 epochs, which is the second of the second stage."""

    def interrupt(report):
        if report.epoch == 15 and report.step:
            raise KeyboardInterrupt

    def kept():
        work = training("cc_sam(s=0.0)", epochs=14)
        work.checkpoint = Checkpoint(tmp_path / "checkpoint.pt", write_file)
        return work

    whole = training("cc_sam(s=0.0)", epochs=14)
    whole.run(lambda report: None)
    assert whole.epochs == 16
    with pytest.raises(KeyboardInterrupt):
        kept().run(interrupt)
    taken_up = kept()
    assert taken_up.resume()
    assert (taken_up.progress.stage, taken_up.progress.epoch) == (1, 1)
    taken_up.run(lambda report: None)
    assert conformance.equal(whole.network.state_dict(), taken_up.network.state_dict())
