"""Gradient similarity: orthogonal class gradients in closed form, and real steps."""

import pytest
import torch
from made_methods import made_step
from made_runs import data, run_of
from torch import nn

from ltbench.analysis.gradients import Gradients, class_gradients, cosines
from ltbench.errors import LtbenchError


def test_classes_with_inputs_of_their_own_have_the_closed_form():
    """One-hot inputs by class make gradients of different classes orthogonal."""
    labels = torch.tensor([0] * 6 + [1] * 3 + [2])
    inputs = nn.functional.one_hot(labels, 3).double()
    model = nn.Linear(3, 2, bias=False, dtype=torch.float64)
    goals = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    losses = (model(inputs) - goals[labels]).square().sum(1)
    found = class_gradients(losses, labels, list(model.parameters()))
    counts = labels.bincount(minlength=3)
    norms = {c: g.norm() for c, g in found.items()}
    for equal in (False, True):
        weights = {c: 1.0 if equal else float(counts[c]) for c in found}
        whole = sum((w * norms[c]) ** 2 for c, w in weights.items()) ** 0.5
        exact = {c: float(w * norms[c] / whole) for c, w in weights.items()}
        assert cosines(found, counts, equal=equal) == pytest.approx(exact, rel=1e-12)


def test_one_class_alone_is_the_whole():
    found = {2: torch.randn(7)}
    assert cosines(found, torch.tensor([0, 0, 5]))[2] == pytest.approx(1)


def test_the_shares_of_the_batch_make_the_gradient_of_the_step():
    step = made_step("ce")
    losses = step.losses(step.forward())
    weights = list(step.network.parameters())
    found = class_gradients(losses, step.batch.targets, weights)
    counts = step.batch.targets.bincount(minlength=5)
    shares = sum(counts[c] / counts.sum() * g for c, g in found.items())
    again = made_step("ce")
    again.method.backward(again)
    whole = torch.cat([p.grad.flatten() for p in again.network.parameters()])
    torch.testing.assert_close(shares, whole, rtol=1e-9, atol=1e-12)


def test_rows_count_batches_and_images_and_leave_the_network_as_it_was():
    step = made_step("ce", targets=[0, 0, 0, 0, 1, 1, 1, 3])
    before = {name: t.clone() for name, t in step.network.state_dict().items()}
    run = run_of(step.network, steps=lambda epoch: iter([step, step]))
    analysis = Gradients(batches=2)
    (part,) = analysis.parts(run, data())
    rows = analysis.analyse(run, step.network, data(), part)
    assert {row["class"] for row in rows} == {0, 1, 3}
    assert {row["batches"] for row in rows} == {2}
    assert {row["class"]: row["images"] for row in rows} == {0: 4.0, 1: 3.0, 3: 1.0}
    assert all(-1 <= row["value"] <= 1 for row in rows)
    after = step.network.state_dict()
    assert all(torch.equal(t, after[name]) for name, t in before.items())


def test_weights_without_a_training_are_refused():
    with pytest.raises(LtbenchError, match="no training to take steps of"):
        Gradients().parts(run_of(nn.Identity()), data())
