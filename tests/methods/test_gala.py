"""GALA against loops over its equations (G1-G5), its controls, and its recipe."""

import math

import pytest
import torch
import torch.nn.functional as F
from made_methods import batch_of, bound

from ltbench import Clock, Recipe, Step, build

CLASSES = 4
CLOCK = Clock("train", 0, 1)


def gala(specification="gala(view='standard')", theta=None):
    method = bound(specification, [20, 9, 3, 1])
    if theta is not None:
        method.state["theta"] = torch.tensor(theta, dtype=torch.float64)
    return method


def logits_for(count, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(count, CLASSES, generator=draw, dtype=torch.float64)


def adjusted_by_loops(logits, targets, theta, phi, method):
    """G1 or G2, entry by entry."""
    rows = []
    for row, k in zip(logits.unbind(), targets, strict=True):
        entries = []
        for j, z in enumerate(row.unbind()):
            margin = method.lambda1 * math.log(theta[j] + method.epsilon)
            margin -= method.lambda2 * math.log(phi[k] + method.epsilon)
            entries.append(z if j == k and method.form == "paper" else z + margin)
        rows.append(torch.stack(entries))
    return torch.stack(rows)


@pytest.mark.parametrize("form", ["paper", "code"])
@pytest.mark.parametrize("lambdas", [(1.0, 1.0), (1.2, 0.9)])
def test_losses_are_the_definition(form, lambdas):
    theta = [3.0, 0.5, 0.02, 0.0]
    method = gala(f"gala(form={form!r}, lambda1={lambdas[0]}, lambda2={lambdas[1]})", theta)
    logits, batch = logits_for(6), batch_of([0, 1, 2, 3, 0, 1])
    adjusted = adjusted_by_loops(logits, batch.targets.tolist(), theta, theta, method)
    expected = F.cross_entropy(adjusted, batch.targets, reduction="none")
    torch.testing.assert_close(method.losses({"logits": logits}, batch, CLOCK), expected)


@pytest.mark.parametrize("accumulate", ["double", "single"])
@pytest.mark.parametrize("form", ["paper", "code"])
def test_theta_and_phi_are_one_vector(accumulate, form):
    """The accumulators as matrices [C, C], fed with autograd's gradients, over five steps."""
    method = gala(f"gala(form={form!r}, lambda1=1.2, lambda2=0.9, accumulate={accumulate!r})")
    running = torch.zeros(CLASSES, CLASSES, dtype=torch.float64)
    total = torch.zeros_like(running)
    for number in range(5):
        batch, logits = batch_of([0, 1, 0, 2, 0, 1]), logits_for(6, number)
        theta, phi = total.diagonal(), (total - total.diagonal().diag()).sum(0)
        torch.testing.assert_close(theta, phi)
        torch.testing.assert_close(method.state["theta"], theta)
        adjusted = adjusted_by_loops(logits, batch.targets.tolist(), theta, phi, method)
        adjusted.requires_grad_()
        F.cross_entropy(adjusted, batch.targets).backward()
        matrix = torch.zeros_like(running)  # row: classifier, column: class of the sample
        for gradient, k in zip(adjusted.grad.abs(), batch.targets, strict=True):
            matrix[:, k] += gradient
        running = running + matrix
        total = total + (running if accumulate == "double" else matrix)
        method.after_step(Step(method, None, batch, CLOCK, outputs={"logits": logits}))
    assert method.state["theta"][3] == 0  # never seen


def test_the_forms_agree_at_equal_strengths():
    theta, logits, batch = [7.0, 1.0, 0.1, 0.0], logits_for(4), batch_of([0, 1, 2, 3])
    paper, code = (
        gala(f"gala(form={form!r})", theta).losses({"logits": logits}, batch, CLOCK)
        for form in ("paper", "code")
    )
    torch.testing.assert_close(paper, code, atol=1e-12, rtol=0)
    apart = [
        gala(f"gala(form={form!r}, lambda1=1.2, lambda2=0.9)", theta).losses(
            {"logits": logits}, batch, CLOCK
        )
        for form in ("paper", "code")
    ]
    assert (apart[0] - apart[1]).abs().max() > 0.01


def test_the_second_strength_is_idle_in_the_code_form():
    theta, logits, batch = [7.0, 1.0, 0.1, 0.0], logits_for(4), batch_of([0, 1, 2, 3])
    losses = [
        gala(f"gala(form='code', lambda1=1.2, lambda2={other})", theta).losses(
            {"logits": logits}, batch, CLOCK
        )
        for other in (0.0, 5.0)
    ]
    torch.testing.assert_close(*losses)


def test_before_any_gradient_is_known_it_is_cross_entropy():
    for form in ("paper", "code"):
        method, batch, logits = gala(f"gala(form={form!r})"), batch_of([0, 1, 2, 3]), logits_for(4)
        plain = F.cross_entropy(logits, batch.targets, reduction="none")
        torch.testing.assert_close(method.losses({"logits": logits}, batch, CLOCK), plain)


def test_mixed_images_pull_at_both_their_classes_by_their_shares():
    """As though each image stood twice in a batch of twice the size, with a weight."""
    method, logits = gala("gala(accumulate='single')"), logits_for(4)
    share = torch.tensor([0.7, 0.7, 1.0, 0.2])
    batch = batch_of([0, 1, 0, 2])._replace(mix_targets=torch.tensor([1, 0, 3, 2]), mix_ratio=share)
    method.after_step(Step(method, None, batch, CLOCK, outputs={"logits": logits}))
    expected = torch.zeros(CLASSES, dtype=torch.float64)
    for row, own, other, weight in zip(
        logits.softmax(1), batch.targets, batch.mix_targets, share.double(), strict=True
    ):
        expected[own] += weight * (1 - row[own]) / 4
        expected[other] += (1 - weight) * (1 - row[other]) / 4
    torch.testing.assert_close(method.state["theta"], expected)
    assert expected[3] == 0  # its share was none


def test_the_released_recipe_holds_at_paper():
    recipe = Recipe(200, 128, 0.1, 2e-4)
    (stage,) = build("gala").stages(recipe)
    ours = stage.recipe
    assert (ours.batch_size, ours.weight_decay, ours.warmup_epochs) == (64, 5e-4, 2)
    assert (ours.schedule, ours.drop_last, ours.epochs) == ("cosine", True, 200)
    assert build("gala").views == ("autoaugment",)
    assert gala().views == ("standard",)


def test_the_curve_is_the_range_of_the_margins():
    method = gala("gala(lambda1=1.2, lambda2=0.9)", [7.0, 1.0, 0.1, 0.0])
    assert method.curves()["margin_range"] == pytest.approx(1.2 * math.log(7.001 / 0.001))
