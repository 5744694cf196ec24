"""GSA: residuals, radii and directions by Eq. 11-14, one pass a group as the oracle, and SAM."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from ltbench.methods import gsa as gsa_methods
from ltbench.methods.gsa import PerturbationRadius, safe_radius
from made_methods import batch_of, with_network

from ltbench import Clock, Recipe, Step, Task, build
from ltbench.api.perturb import Segments, combined, inner, norm, scaled
from ltbench.blocks.group_gradients import exact_gradients, owned_gradients
from ltbench.data.catalog import CATALOG, dataset
from ltbench.data.readers import load
from ltbench.engine.fit import Training
from ltbench.engine.precision import autocast_of
from ltbench.engine.settings import Settings
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.protocol import protocol_of
from ltbench.testing.conformance import check, training

COUNTS = (60, 30, 12, 5, 2, 1)
GROUPS = torch.tensor([0, 0, 1, 2, 3, 3])
TARGETS = torch.tensor([0, 1, 0, 2, 0, 3, 1, 4, 0, 5, 0, 2, 1])
CLOCK = Clock("train", 5, 10, 1, 4)


def step_of(specification, targets=TARGETS, groups=GROUPS, dtype=torch.float64, clock=CLOCK):
    method, network = with_network(specification, COUNTS, dtype)
    if groups is not None and gsa_of(method).groups > 1:
        gsa_of(method).owner.state["groups"] = groups
    return Step(method, network, batch_of(targets, len(method.views), dtype), clock)


def gsa_of(method):
    return method.modifiers[-1] if hasattr(method, "modifiers") else method


def filled(step):
    step.network.zero_grad()
    step.method.backward(step)
    return {name: p.grad.clone() for name, p in step.network.named_parameters()}


def averaged(losses, average="group", members=GROUPS[TARGETS]):
    """The sum over groups, group by group."""
    weights = {
        "group": lambda own: 1 / 4,
        "sum": lambda own: 1,
        "image": lambda own: own / len(members),
    }
    total = 0
    for group in range(4):
        own = losses[members == group]
        if len(own):
            total = total + weights[average](len(own)) * own.sum() / len(own)
    return total


def assert_close(left, right, tolerance=1e-9):
    assert left.keys() == right.keys()
    scale = max(float(part.abs().max()) for part in right.values())
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=0, atol=tolerance * scale)


# Group gradients (Eq. 11)


@pytest.mark.parametrize("base", ["ce", "bcl"])
@pytest.mark.parametrize("gradients_of", [exact_gradients, owned_gradients])
def test_weighted_gradients_add_up_to_the_gradient_and_weighted_residuals_to_zero(
    base, gradients_of
):
    step = step_of(f"{base}+gsa")
    members = GROUPS[TARGETS]
    _, gradients = gradients_of(step, members)
    shares = [float((members == g).double().mean()) for g in gradients]
    whole = step.gradients(step_of(f"{base}+gsa").losses(step.forward()).mean())
    mean = combined(list(gradients.values()), shares)
    assert_close(mean, whole)
    residuals = [gsa_of(step.method).along(gradient, mean) for gradient in gradients.values()]
    assert norm(combined(residuals, shares)) <= 1e-12 * norm(mean)
    for residual in residuals:
        assert abs(inner(residual, mean)) <= 1e-12 * norm(residual) * norm(mean)


def test_exact_gradients_are_gradients_of_the_groups_losses():
    step = step_of("bcl+gsa")
    _, gradients = exact_gradients(step, GROUPS[TARGETS])
    for group, gradient in gradients.items():
        again = step_of("bcl+gsa")
        losses = again.losses(again.forward())[GROUPS[TARGETS] == group]
        expected = torch.autograd.grad(losses.mean(), list(again.network.parameters()))
        assert_close(gradient, dict(zip(gradient, expected, strict=True)), 1e-10)


def test_owned_gradients_are_the_exact_ones_where_nothing_couples_images():
    steps = [step_of("ce+gsa") for _ in range(2)]
    for step in steps:
        step.network.eval()  # fixed statistics
    (_, exact), (_, owned) = (
        take(step, GROUPS[TARGETS])
        for take, step in zip((exact_gradients, owned_gradients), steps, strict=True)
    )
    assert exact.keys() == owned.keys()
    for group in exact:
        assert_close(owned[group], exact[group], 1e-10)


def test_gradients_are_those_of_the_loss_without_its_weight():
    step = step_of("ce+gkp+gsa")
    _, plain = exact_gradients(step, GROUPS[TARGETS])
    step = step_of("ce+gkp+gsa")
    ones = torch.ones(1)
    step.method.modifiers[0].state["penalty"] = dict(pull=ones, centre=ones, rest=ones)
    assert step.method.loss_weight(CLOCK) < 1
    _, weighted = exact_gradients(step, GROUPS[TARGETS])
    for group in plain:
        assert_close(weighted[group], plain[group], 1e-12)


# Direction and length (Eq. 12-14)


def test_radius_and_norm_are_exact():
    draw, shapes = torch.Generator().manual_seed(0), [("a", (30, 7)), ("b", (9,))]
    weights, direction = (
        {name: torch.randn(shape, generator=draw).double() for name, shape in shapes}
        for _ in range(2)
    )
    theta, gradient = (
        float(torch.cat([t.flatten() for t in o.values()]).norm()) for o in (weights, direction)
    )
    for images in (1, 2, 500):
        n = max(images, 2)  # one image counts as two
        rho = (theta / (2 * gradient)) ** 0.5 * 219**-0.25 * (n - 1) ** -0.25
        found = safe_radius(norm(weights), norm(direction), 219, images)
        assert found.item() == pytest.approx(rho, rel=1e-12)
        perturbation = PerturbationRadius(0.01, cap=1.0).perturbation(weights, direction, images)
        assert norm(perturbation).item() == pytest.approx(219**0.5 * 0.01 * rho, rel=1e-9)
        assert_close(scaled(perturbation, 1.0), scaled(direction, 1.0))
    capped = PerturbationRadius(100.0, cap=0.05).perturbation(weights, direction, 2)
    assert norm(capped).item() == pytest.approx(0.05 * theta, rel=1e-9)


def test_the_adaptive_metric_and_the_bounds_of_the_release():
    weights, direction = (
        {"a": torch.tensor([1.0, -2.0, 0.5])},
        {"a": torch.tensor([3.0, 1.0, -2.0])},
    )
    for least, most, rho in ((0.5, 1.0, 0.5), (0.0, 1e-3, 1e-3)):
        reach = PerturbationRadius(1e-9 if least else 1e9, 1e9, least, most, adaptive=True)
        perturbation = reach.perturbation(weights, direction, 10)["a"]
        w, g = weights["a"], direction["a"]
        torch.testing.assert_close(perturbation, 3**0.5 * rho * w**2 * g / (w.abs() * g).norm())


@pytest.mark.parametrize(("slope", "length"), [(1.75, 0.00949), (17.5, 0.00632)])
def test_the_releases_radius_is_that_of_the_direction_in_its_metric(slope, length):
    """By hand, of 1,000 entries 0.1 and 101 images: |theta| = 3.162, |theta slope| = 5.534 and
    (d (n - 1))^{-1/4} = 0.05623, so 0.1 sqrt(3.162 / 11.07) 0.05623 = 0.003006, above its bound.
    """
    reach = PerturbationRadius(0.1, 1.0, 2e-3, 3e-3, adaptive=True)
    direction = {"a": torch.full((1000,), slope)}
    found = reach.perturbation({"a": torch.full((1000,), 0.1)}, direction, 101)
    assert norm(found).item() == pytest.approx(length, rel=1e-3)


def expected_perturbations(step, direction, scale):
    """Eq. 11-14, written out on flat vectors."""
    members = GROUPS[TARGETS]
    parameters = dict(step.network.named_parameters())
    outputs = step.method.forward(step.network, step.batch, CLOCK)
    losses = step.method.losses(outputs, step.batch, CLOCK)

    def gradient(value):
        parts = torch.autograd.grad(value, list(parameters.values()), retain_graph=True)
        return torch.cat([part.flatten() for part in parts])

    whole = gradient(losses.mean())
    theta = torch.cat([p.detach().flatten() for p in parameters.values()])
    perturbations = []
    for group in range(4):
        own = gradient(losses[members == group].mean())
        projected = (own @ whole) / (whole @ whole) * whole
        along = {"residual": own - projected, "projected": projected, "gradient": own}[direction]
        images = sum(n for n, g in zip(COUNTS, GROUPS.tolist(), strict=True) if g == group)
        rho = (theta.norm() / (2 * along.norm())) ** 0.5 * (len(theta) * (images - 1)) ** -0.25
        flat = scale * len(theta) ** 0.5 * rho * along / along.norm()
        parts = flat.split([p.numel() for p in parameters.values()])
        shaped = zip(parameters.items(), parts, strict=True)
        perturbations.append({name: part.view(p.shape) for (name, p), part in shaped})
    return perturbations


@pytest.mark.parametrize("direction", ["residual", "projected", "gradient"])
def test_the_step_is_the_gradient_at_the_groups_perturbations(direction):
    specification = f"ce+gsa(direction='{direction}', scale=0.01, cap=10.0)"
    found = filled(step_of(specification))
    step = step_of(specification)
    perturbations = expected_perturbations(step, direction, 0.01)
    value = averaged(step.losses(step.forward(Segments(perturbations, GROUPS[TARGETS]))))
    assert_close(found, step.gradients(value))
    plain = filled(step_of("ce+gsa(scale=0.0)"))
    assert norm(combined([found, plain], [1.0, -1.0])) > 1e-3 * norm(plain)


@pytest.mark.parametrize("average", ["group", "image", "sum"])
def test_the_step_is_one_full_pass_a_group_where_statistics_are_fixed(average):
    specification = f"ce+gsa(scale=0.02, average='{average}')"
    step = step_of(specification)
    step.network.eval()
    found = filled(step)
    again = step_of(specification)
    again.network.eval()
    losses = torch.zeros(len(TARGETS), dtype=torch.float64)
    for group, perturbation in enumerate(expected_perturbations(again, "residual", 0.02)):
        own = again.losses(again.forward(perturbation))
        losses = torch.where(GROUPS[TARGETS] == group, own, losses)
    assert_close(found, again.gradients(averaged(losses, average)))


@pytest.mark.parametrize("base", ["ce", "bcl"])
def test_one_group_along_its_gradient_is_sam(base):
    gsa = step_of(f"{base}+gsa(groups=1, direction='gradient', scale=0.01)")
    found = filled(gsa)
    plain = step_of(f"{base}+gsa(scale=0.0)")
    ascent = plain.gradients(plain.losses(plain.forward()).mean())
    theta = norm(dict(plain.network.named_parameters()))
    size = sum(p.numel() for p in plain.network.parameters())
    rho = 0.01 * size**0.5 * float(safe_radius(theta, norm(ascent), size, sum(COUNTS)))
    sam = build(f"{base}+sam(rho={rho!r})")
    sam.setup(Task(torch.tensor(COUNTS)))
    step = Step(sam, plain.network, plain.batch, CLOCK)
    expected = filled(step)
    assert_close(found, expected, 1e-8)


def test_zero_scale_is_the_base_bit_by_bit_where_images_are_averaged():
    for more in ("", ", gradients='owned'"):
        found = filled(step_of(f"ce+gsa(scale=0.0, average='image'{more})"))
        expected = filled(step_of("ce+gsa", groups=None))
        assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("base", ["ce", "bcl"])
@pytest.mark.parametrize("average", ["group", "sum"])
def test_zero_scale_is_the_base_with_its_groups_averaged(base, average):
    found = filled(step_of(f"{base}+gsa(scale=0.0, average='{average}')"))
    plain = step_of(f"{base}+gsa", groups=None)
    value = averaged(plain.losses(plain.forward()), average)
    assert_close(found, plain.gradients(value), 1e-12)


def test_the_sum_is_the_groups_average_times_their_number():
    one, four = (filled(step_of(f"ce+gsa(average='{a}')")) for a in ("group", "sum"))
    assert_close(four, combined([one], [4.0]), 1e-12)


def test_a_group_absent_from_the_batch_counts_as_a_group():
    """The sum over groups has no term for it, and the divisor stays the number of groups."""
    targets = torch.tensor([0, 2, 0, 1])
    found = filled(step_of("ce+gsa(scale=0.0)", targets=targets))
    plain = step_of("ce+gsa", targets=targets, groups=None)
    value = averaged(plain.losses(plain.forward()), members=GROUPS[targets])
    assert_close(found, plain.gradients(value), 1e-12)


# Degenerate batches


@pytest.mark.parametrize("gradients", ["exact", "owned"])
def test_a_group_alone_in_the_batch_takes_the_bases_step(gradients):
    alone = torch.tensor([0, 1, 0, 0])
    step = step_of(f"ce+gsa(gradients='{gradients}', average='image')", targets=alone)
    found = filled(step)
    assert not step.logged
    expected = filled(step_of("ce+gsa", targets=alone, groups=None))
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_fewer_classes_in_a_batch_than_groups():
    step = step_of("ce+gsa", targets=torch.tensor([0, 2, 0, 1]))
    filled(step)
    shown = {name for name in step.logged if name.endswith("_ratio")}
    assert shown == {"gsa0_ratio", "gsa1_ratio"}


def test_parallel_gradients_have_no_residual_direction():
    gsa = gsa_of(build("ce+gsa"))
    gsa.setup(Task(torch.tensor(COUNTS)))
    gsa.state["groups"] = GROUPS
    gradient = {"a": torch.randn(50, generator=torch.Generator().manual_seed(0))}
    network = torch.nn.Module()
    network.a = torch.nn.Parameter(torch.ones(50))
    step = Step(gsa, network, None, CLOCK)
    gradients = {0: gradient, 1: combined([gradient], [3.0])}
    assert gsa.perturbations(step, gradients, [0.5, 0.5]) == [{}] * 4


def test_gradients_that_are_not_finite_are_refused_by_name():
    step = step_of("ce+gsa")
    with torch.no_grad():
        step.network.classifier.weight[4] = torch.inf
    with pytest.raises(LtbenchError, match=r"group 0 is not finite at epoch 6, step 2"):
        step.method.backward(step)


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ("ce+gsa(groups=1)", "one group has no residual"),
        ("ce+gsa(direction='average')", "for groups=1"),
        ("ce+gsa(scale=-0.1)", "must be at least 0"),
        ("ce+gsa(cap=-0.1)", "must be at least 0"),
        ("ce+gsa+sam", "two gradient rules in one composition: gsa and sam"),
        ("ce+gsa(perturbed='tail')", "not allowed"),
    ],
)
def test_what_makes_no_sense_is_refused(specification, words):
    with pytest.raises(UsageError, match=words):
        build(specification)


# The head alone


@pytest.mark.parametrize("base", ["ce", "bcl", "ldam_drw"])
def test_displacing_the_head_on_kept_features_is_displacing_it_in_a_pass(base):
    step = step_of(f"{base}+gsa(perturbed='head', scale=0.3, cap=1.0)")
    found = filled(step)
    assert step.notes["mean"].keys() <= {"classifier.weight", "classifier.bias"}
    again = step_of(f"{base}+gsa(perturbed='head', scale=0.3, cap=1.0)")
    gsa = gsa_of(again.method)
    _, gradients = exact_gradients(again, GROUPS[TARGETS], "classifier.")
    sizes = GROUPS[TARGETS].bincount(minlength=4) / len(TARGETS)
    segments = Segments(gsa.perturbations(again, gradients, sizes.tolist()), GROUPS[TARGETS])
    losses = again.losses(again.forward(segments))
    assert_close(found, again.gradients(averaged(losses)))


def displaced_by_hand(step, outputs, segments):
    """What each image's logits change by, in float64 on the features there are."""
    shifts, features = segments.perturbations, outputs["features"].double()
    return torch.stack(
        [
            shifts[group]["classifier.weight"].double() @ own
            + shifts[group]["classifier.bias"].double()
            for group, own in zip(segments.members.tolist(), features, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("scale", "lower", "lost"),
    [(1e-11, False, True), (1e-5, False, False), (1e-5, True, True), (0.3, True, False)],
)
def test_a_heads_displacement_below_its_own_precision_is_warned_of(scale, lower, lost, monkeypatch):
    """In a bfloat16 pass: heads compute in float32 there, but one of another's may not."""
    seen, moved = [], gsa_methods.moved_logits

    def watched(step, outputs, segments, head):
        found = moved(step, outputs, segments, head)
        change, expected = found - outputs["logits"], displaced_by_hand(step, outputs, segments)
        seen.append(float(torch.cosine_similarity(change.flatten(), expected.flatten(), dim=0)))
        return found

    monkeypatch.setattr(gsa_methods, "moved_logits", watched)
    specification = f"ce+gsa(perturbed='head', scale={scale}, cap=1.0)"
    step = step_of(specification, dtype=torch.float32, clock=Clock("train", 5, 10, 0, 4))
    if lower:
        step.network.classifier = torch.nn.Linear(64, len(COUNTS))
    step.autocast = autocast_of("bfloat16", torch.device("cpu"))
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        step.method.backward(step)
    texts = [str(each.message) for each in found if "rounding" in str(each.message)]
    assert len(texts) == lost
    assert all(f"rounding in {'bfloat16' if lower else 'float32'}" in text for text in texts)
    assert (seen[0] < 0.9) == lost  # what the warning says is so, and is not where there is none


def test_a_head_that_does_not_give_the_logits_is_refused():
    step = step_of("ce+gsa(perturbed='head')", clock=Clock("train", 5, 10, 0, 4))
    forward = step.method.base.forward
    changes = (
        lambda outputs: {name: value + 1 for name, value in outputs.items()},
        lambda outputs: {"logits": outputs["logits"]},
    )
    for change in changes:
        step.method.base.forward = lambda *given, change=change: change(forward(*given))
        with pytest.raises(LtbenchError, match=r"logits may be classifier\(features\)"):
            step.method.backward(step)


def test_a_head_with_another_output_that_the_losses_see_is_refused():
    """Displacing the mean logits alone would leave the experts', which the loss is of, in place."""
    step = step_of("ride+gsa(perturbed='head')", clock=Clock("train", 5, 10, 0, 4))
    with pytest.raises(LtbenchError, match="nothing but logits"):
        step.method.backward(step)


# The release


@pytest.mark.parametrize("base", ["ce", "bcl"])
def test_the_release_is_a_friendly_adaptive_sam(base):
    """Three steps written from the description of the published code, on flat float64 vectors.

    Its gradient is the whole batch's. The running mean is subtracted from it but in the first step,
    and takes in the gradient itself. |p| times the difference has a norm; 0.1 times the safe
    radius of that norm, held between 0.002 and 0.003, times the root of the number of weights is
    the length to which p^2 times the difference is stretched, over that norm. Every weight moves,
    so prototypes do; the gradient there is the step.
    """
    step = step_of(f"{base}+gsa@release", groups=None)
    weights = dict(step.network.named_parameters())

    def flat(parts):
        return torch.cat([parts[name].detach().flatten() for name in weights])

    mean, batch_images, lengths = None, sum(COUNTS), []
    for _ in range(3):
        step = Step(step.method, step.network, step.batch, CLOCK)
        found = filled(step)
        gradient = flat(step.gradients(step.losses(step.forward()).mean()))
        direction = gradient if mean is None else gradient - mean
        mean = gradient if mean is None else 0.9 * mean + 0.1 * gradient
        p = flat(weights)
        measured = (p.abs() * direction).norm()
        rho = 0.1 * (p.norm() / (2 * measured)) ** 0.5 * (len(p) * (batch_images - 1)) ** -0.25
        length = len(p) ** 0.5 * min(max(float(rho), 2e-3), 3e-3)
        moved = (length / measured * p**2 * direction).split([w.numel() for w in weights.values()])
        parts = zip(weights.items(), moved, strict=True)
        perturbation = {name: part.view(w.shape) for (name, w), part in parts}
        lengths.append(float(norm(perturbation)))
        assert_close(found, step.gradients(step.losses(step.forward(perturbation)).mean()), 1e-8)
        step.method.after_step(step)
        with torch.no_grad():
            for name, weight in weights.items():
                weight.sub_(found[name], alpha=0.05)
    assert min(lengths) > 0
    assert "published command" in step.method.modifiers[0].deviations[0]


@pytest.mark.parametrize("perturbed", ["full", "head"])
def test_a_penalty_beside_it_is_descended_at_the_undisplaced_weights(perturbed):
    """The step is alpha times that without it, and the penalty's gradient at w (Eq. 23)."""
    more = f"perturbed='{perturbed}', scale=0.3, cap=1.0"
    clock = replace(CLOCK, recipe=Recipe(10, 16, learning_rate=0.1, weight_decay=0.0))
    step = step_of(f"ce+gkp+gsa({more})", clock=clock)
    gkp, network = step.method.modifiers[0], step.network
    pull = torch.linspace(0.0, 2.0, sum(p.numel() for p in network.backbone.parameters())).double()
    nowhere = torch.zeros_like(pull)
    gkp.state["penalty"] = dict(pull=pull, centre=nowhere, rest=nowhere)
    own = step.gradients(gkp.penalty(network, clock))
    plain = filled(step_of(f"ce+gsa({more})", clock=clock))
    assert norm(own) > norm(plain)
    assert_close(filled(step), combined([plain, own], [gkp.alpha(clock), 1.0]))


# Curves and contract


def test_curves_show_cosine_ratio_radius_and_cap_by_group():
    work = training("ce+gsa(start=0.0)", epochs=3)
    work.run(lambda report: None)
    row = work.progress.curves[-1]
    for group in range(4):
        assert -1 <= row[f"gsa{group}_cosine"] <= 1
        theta = float(norm(dict(work.network.named_parameters())))
        size = sum(p.numel() for p in work.network.parameters())
        length = row[f"gsa{group}_radius"] * size**0.5
        assert row[f"gsa{group}_ratio"] == pytest.approx(length / theta, rel=0.05)  # means of steps
        assert row[f"gsa{group}_capped"] == 0
    assert "gsa0_ratio" not in work.progress.curves[0]  # before there are groups


@pytest.mark.slow
@pytest.mark.parametrize("base", ["ce", "bcl"])
def test_on_real_images_displacements_have_the_lengths_published_for_sam(base):
    """Eq. 13 is to give a radius in place of SAM's, which are 0.05 to 0.8; no cap makes it so."""
    info = CATALOG["digits_lt"]
    recipe = protocol_of("fast(epochs=3)", info).recipe()
    settings = Settings(info, "resnet8", recipe, "float32", 3, 0, torch.device("cpu"))
    work = Training(build(f"{base}+gsa"), load(dataset("digits_lt"), Path("data")), settings)
    work.run(lambda report: None)
    size = sum(p.numel() for p in work.network.parameters())
    rows = [row for row in work.progress.curves if "gsa0_radius" in row]
    assert len(rows) == 2
    for row in rows:
        for group in range(4):
            assert 0.05 < row[f"gsa{group}_radius"] * size**0.5 < 0.8
            assert row[f"gsa{group}_capped"] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "specification",
    [
        "ldam_drw+gsa", "ce+gsa(gradients='owned')", "ce+gsa(perturbed='head')", "ce+gkp+gsa",
        "ce+gsa+gkp", "bcl+gkp+gsa",
    ],
)  # fmt: skip
def test_compositions_conform(specification):
    assert check(specification) == []
