"""GALA against loops over its equations (G1-G5), its controls, and its recipe."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from ltbench import Batch, Clock, Step, Task, build, conformance
from ltbench.data.catalog import CATALOG
from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.runs.protocol import protocol

CLASSES = 4
CLOCK = Clock("train", 0, 1)


def made(specification="gala(view='standard')", theta=None):
    method = build(specification)
    method.bind(Task(torch.tensor([20, 9, 3, 1])))
    if theta is not None:
        method.state["theta"] = torch.tensor(theta, dtype=torch.float64)
    return method


def batch_of(targets):
    draw = torch.Generator().manual_seed(len(targets))
    images = torch.randn(len(targets), 1, 8, 8, generator=draw, dtype=torch.float64)
    return Batch((images,), torch.tensor(targets), torch.arange(len(targets)))


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
    method = made(f"gala(form={form!r}, lambda1={lambdas[0]}, lambda2={lambdas[1]})", theta)
    logits, batch = logits_for(6), batch_of([0, 1, 2, 3, 0, 1])
    adjusted = adjusted_by_loops(logits, batch.targets.tolist(), theta, theta, method)
    expected = F.cross_entropy(adjusted, batch.targets, reduction="none")
    torch.testing.assert_close(method.losses({"logits": logits}, batch, CLOCK), expected)


@pytest.mark.parametrize("accumulate", ["double", "single"])
@pytest.mark.parametrize("form", ["paper", "code"])
def test_theta_and_phi_are_one_vector(accumulate, form):
    """The accumulators as matrices [C, C], fed with autograd's gradients, over five steps."""
    method = made(f"gala(form={form!r}, lambda1=1.2, lambda2=0.9, accumulate={accumulate!r})")
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
        made(f"gala(form={form!r})", theta).losses({"logits": logits}, batch, CLOCK)
        for form in ("paper", "code")
    )
    torch.testing.assert_close(paper, code, atol=1e-12, rtol=0)
    apart = [
        made(f"gala(form={form!r}, lambda1=1.2, lambda2=0.9)", theta).losses(
            {"logits": logits}, batch, CLOCK
        )
        for form in ("paper", "code")
    ]
    assert (apart[0] - apart[1]).abs().max() > 0.01


def test_the_second_strength_is_idle_in_the_code_form():
    theta, logits, batch = [7.0, 1.0, 0.1, 0.0], logits_for(4), batch_of([0, 1, 2, 3])
    losses = [
        made(f"gala(form='code', lambda1=1.2, lambda2={other})", theta).losses(
            {"logits": logits}, batch, CLOCK
        )
        for other in (0.0, 5.0)
    ]
    torch.testing.assert_close(*losses)


@pytest.mark.parametrize("specification", ["gala", "gala@release"])
def test_the_first_step_is_cross_entropy(specification):
    logits, batch = logits_for(4), batch_of([0, 1, 2, 3])
    losses = made(specification).losses({"logits": logits}, batch, CLOCK)
    expected = F.cross_entropy(logits, batch.targets, reduction="none")
    torch.testing.assert_close(losses, expected, atol=1e-12, rtol=0)
    if specification == "gala":
        assert torch.equal(losses, expected)


@pytest.mark.parametrize("specification", ["gala", "gala@release"])
def test_even_gradients_leave_cross_entropy(specification):
    logits, batch = logits_for(4), batch_of([0, 1, 2, 3])
    losses = made(specification, [2.5] * CLASSES).losses({"logits": logits}, batch, CLOCK)
    torch.testing.assert_close(losses, F.cross_entropy(logits, batch.targets, reduction="none"))


def test_classes_pulled_more_get_a_larger_margin_as_rivals():
    method = made(theta=[50.0, 5.0, 0.5, 0.0])
    adjusted = method._adjusted(torch.zeros(1, CLASSES, dtype=torch.float64), torch.tensor([2]))
    assert adjusted[0, 0] > adjusted[0, 1] > adjusted[0, 2] > adjusted[0, 3]
    assert adjusted[0, 2] == 0
    assert method.curves()["margin_range"] == pytest.approx(math.log(50.001 / 0.001))


def test_no_gradient_runs_through_the_accumulators_and_losses_leave_them_alone():
    method = made(theta=[3.0, 2.0, 1.0, 0.0])
    before = copy.deepcopy(method.state)
    logits = logits_for(3).requires_grad_()
    method.losses({"logits": logits}, batch_of([0, 1, 2]), CLOCK).sum().backward()
    assert logits.grad.isfinite().all()
    assert conformance.equal(before, method.state)


def test_under_sam_the_accumulators_move_once_and_from_the_undisplaced_pass():
    states = []
    for specification in ("gala", "gala+sam(rho=0.5)"):
        method = made(specification)
        torch.manual_seed(0)
        network = create("resnet8", 1, CLASSES).double().train()
        step = Step(method, network, batch_of([0, 1, 2, 0, 0, 1]), CLOCK)
        method.backward(step)
        method.after_step(step)
        states.append(method.state if specification == "gala" else method.state["0"])
    assert conformance.equal(*states)
    received = states[0]["theta"]
    assert received[:3].min() > 0
    assert received.sum() <= 1  # of one step: the mean over the batch of 1 - p_y


def test_a_batch_of_one_class_moves_that_class_alone():
    method, batch = made(), batch_of([2, 2])
    method.after_step(Step(method, None, batch, CLOCK, outputs={"logits": logits_for(2)}))
    assert (method.state["theta"] > 0).tolist() == [False, False, True, False]
    assert method.losses({"logits": logits_for(2)}, batch, CLOCK).isfinite().all()


def test_the_official_recipe_holds_at_paper():
    (stage,) = build("gala").stages(protocol("paper", CATALOG["cifar100_lt"]).recipe())
    recipe = stage.recipe
    assert (recipe.epochs, recipe.batch_size, recipe.momentum) == (200, 64, 0.9)
    assert recipe.weight_decay == pytest.approx(5e-4)
    assert recipe.drop_last
    rates = [recipe.learning_rate_at(epoch) for epoch in range(200)]
    assert rates[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert rates[101] == pytest.approx(0.05)
    assert 0 < rates[199] < 1e-4


def test_the_release_and_the_view_are_parameters():
    release = build("gala@release")
    assert (release.form, release.lambda1, release.lambda2) == ("code", 1.2, 0.9)
    assert build("gala").views == ("autoaugment",)
    assert build("gala(view='standard')+sam").views == ("standard",)


def test_a_margin_of_an_unseen_class_needs_an_epsilon():
    with pytest.raises(UsageError, match="epsilon"):
        build("gala(epsilon=0.0)")


@pytest.mark.parametrize("specification", ["gala", "gala@release", "gala+sam"])
def test_conformance(specification):
    assert conformance.check(specification) == []
