"""The method protocol's vocabulary: batch, task, clock, stage, and the step's arithmetic."""

from dataclasses import dataclass, fields

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from made_methods import resnet8

import ltbench
from ltbench import Batch, Clock, Method, Recipe, Stage, Step, Task
from ltbench.data.batch import seed_of

CLOCK = Clock("train", 3, 10, step=2, steps=5, seed=7)
RECIPE = Recipe(10, 128, 0.1, 2e-4)


@pytest.fixture
def network():
    return resnet8(4).double().train()


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    views = tuple(torch.randn(6, 3, 8, 8, generator=draw, dtype=torch.float64) for _ in range(2))
    return Batch(views, torch.tensor([0, 1, 2, 3, 0, 1]), torch.arange(10, 16))


@dataclass
class Pulled(Method):
    """A penalty on the classifier's weights."""

    def penalty(self, network, clock):
        return 0.1 * network.classifier.weight.square().sum()


# the public names


def test_every_public_name_loads_and_a_wrong_one_is_an_attribute_error():
    assert all(getattr(ltbench, name) is not None for name in ltbench.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Metod'"):
        _ = ltbench.Metod


# seeds


def test_a_seed_of_a_purpose_is_stable_across_versions():
    """Changing these numbers changes every run there has been."""
    assert seed_of(0, "init") == 3330654677893223573
    assert seed_of(3, "epoch", "train", 12) == 7561543456014887128


@given(seed=st.integers(0, 2**31), purposes=st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_seeds_fit_a_generator_and_purposes_do_not_disturb_one_another(seed, purposes):
    found = seed_of(seed, *purposes)
    assert 0 <= found < 2**63
    assert torch.Generator().manual_seed(found).initial_seed() == found
    assert seed_of(seed, *purposes) == found
    assert seed_of(seed + 1, *purposes) != found
    assert seed_of(seed, *purposes, "more") != found


# batch and task


def test_a_batch_selects_by_mask_or_index_in_every_view(batch):
    mask = batch.targets == 0
    by_mask, by_index = batch.select(mask), batch.select(torch.tensor([0, 4]))
    for part in (by_mask, by_index):
        assert part.targets.tolist() == [0, 0]
        assert part.indices.tolist() == [10, 14]
        assert len(part.views) == 2
        assert torch.equal(part.views[1], batch.views[1][[0, 4]])
    assert batch.images is batch.views[0]
    assert len(batch.select(batch.targets > 9).targets) == 0


def test_a_task_knows_its_classes_and_priors():
    task = Task(torch.tensor([60, 30, 10]))
    assert task.num_classes == 3
    assert torch.allclose(task.priors, torch.tensor([0.6, 0.3, 0.1]))


def test_shots_are_strict_at_both_thresholds_and_every_class_is_in_one_group():
    task = Task(torch.tensor([500, 101, 100, 20, 19, 1]))
    found = {name: member.tolist() for name, member in task.shots.items()}
    assert found == {
        "many": [True, True, False, False, False, False],
        "medium": [False, False, True, True, False, False],
        "few": [False, False, False, False, True, True],
    }
    assert torch.equal(torch.stack(list(task.shots.values())).sum(0), torch.ones(6).long())


def test_the_thresholds_are_data():
    task = Task(torch.tensor([30, 10, 3]), many_above=20, few_below=5)
    assert [int(task.shots[name].nonzero()) for name in ("many", "medium", "few")] == [0, 1, 2]


# clock and stage


def test_progress_is_the_share_of_finished_epochs():
    assert [Clock("train", e, 5).progress for e in range(5)] == [0, 0.2, 0.4, 0.6, 0.8]
    assert Clock("train", 160, 200).progress == 0.8


def test_the_same_clock_gives_the_same_numbers_and_any_other_gives_others():
    def numbers(clock, purpose="mixing"):
        return tuple(torch.rand(4, generator=clock.generator(purpose)).tolist())

    usual = numbers(CLOCK)
    assert numbers(Clock("train", 3, 10, step=2, steps=5, seed=7)) == usual
    others = [
        numbers(CLOCK, "noise"),
        numbers(Clock("second", 3, 10, step=2, steps=5, seed=7)),
        numbers(Clock("train", 4, 10, step=2, steps=5, seed=7)),
        numbers(Clock("train", 3, 10, step=3, steps=5, seed=7)),
        numbers(Clock("train", 3, 10, step=2, steps=5, seed=8)),
    ]
    assert len({usual, *others}) == 6


@pytest.mark.parametrize(
    ("trainable", "expected"),
    [
        (("",), True),
        (("backbone",), True),
        (("backbone.stages.2",), True),
        (("classifier", "backbone.bn1"), True),
        (("classifier",), False),
        (("classifier", "projection"), False),
        ((), False),
    ],
)
def test_a_stage_knows_whether_the_backbone_moves(trainable, expected):
    assert Stage(name="any", recipe=RECIPE, trainable=trainable).trains_backbone is expected


# the defaults of a method


def test_a_plain_method_is_cross_entropy_and_changes_nothing_else(network, batch):
    method = Method()
    method.setup(Task(torch.tensor([4, 3, 2, 1])))
    assert method.build(network) is network
    (stage,) = method.stages(RECIPE)
    assert stage == Stage(name="train", recipe=RECIPE)
    outputs = method.forward(network, batch, CLOCK)
    assert torch.equal(outputs["logits"], method.predict(network, batch.images))
    logs = outputs["logits"].log_softmax(1)
    expected = torch.stack([-logs[i, y] for i, y in enumerate(batch.targets.tolist())])
    assert torch.allclose(method.losses(outputs, batch, CLOCK), expected)
    assert float(method.penalty(network, CLOCK)) == 0
    logits = outputs["logits"].detach()
    assert method.adjust_logits(logits) is logits
    assert method.curves() == {}
    assert method.state == {}
    assert method.views == ("standard",)


def test_two_methods_do_not_share_their_state():
    first, second = Method(), Method()
    first.state["x"] = 1
    assert second.state == {}


def test_task_and_state_are_no_hyper_parameters():
    assert [f.name for f in fields(Method) if f.init] == []


# the step


def test_the_objective_is_the_mean_loss_plus_the_penalty(network, batch):
    step = Step(Pulled(), network, batch, CLOCK)
    objective = step.objective()
    loss = F.cross_entropy(network(batch.images)["logits"], batch.targets)
    pull = 0.1 * network.classifier.weight.square().sum()
    assert torch.allclose(objective, loss + pull, rtol=1e-12)
    assert torch.allclose(step.loss, loss, rtol=1e-12)  # what is watched is the loss alone


def test_the_objective_at_a_perturbation_displaces_loss_and_penalty(network, batch):
    perturbation = {"classifier.weight": torch.full((4, 64), 0.1, dtype=torch.float64)}
    there = Step(Pulled(), network, batch, CLOCK).objective(perturbation)
    with torch.no_grad():
        network.classifier.weight.add_(0.1)
    assert torch.allclose(there, Step(Pulled(), network, batch, CLOCK).objective(), rtol=1e-12)


def test_a_step_keeps_the_first_undisplaced_outputs_and_the_first_losses(network, batch):
    perturbation = {"classifier.bias": torch.ones(4, dtype=torch.float64)}
    step = Step(Method(), network, batch, CLOCK)
    step.forward(perturbation)
    assert step.outputs is None
    here = step.forward()
    with torch.no_grad():
        network.classifier.bias.add_(1)
    assert not torch.equal(step.forward()["logits"], here["logits"])
    assert torch.equal(step.outputs["logits"], here["logits"])
    assert not step.outputs["logits"].requires_grad
    first = step.losses(here)
    step.losses({"logits": 2 * here["logits"]})
    assert torch.equal(step.loss, first.mean())
    assert not step.loss.requires_grad


def test_descending_adds_to_the_gradients_of_the_parameters_it_reaches(network, batch):
    step = Step(Method(), network, batch, CLOCK)
    objective = step.objective()
    expected = torch.autograd.grad(objective, list(network.parameters()), retain_graph=True)
    step.descend(objective)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert torch.equal(parameter.grad, gradient)
    step.descend(network.classifier.bias.sum())
    assert torch.allclose(network.classifier.bias.grad, expected[-1] + 1)


def test_gradients_are_detached_and_leave_grad_alone(network, batch):
    step = Step(Method(), network, batch, CLOCK)
    found = step.gradients(step.objective())
    assert set(found) == {name for name, _ in network.named_parameters()}
    assert not any(part.requires_grad for part in found.values())
    assert all(p.grad is None for p in network.parameters())


def test_gradients_within_a_prefix_are_those_of_its_parameters_only(network, batch):
    step = Step(Method(), network, batch, CLOCK)
    whole = step.gradients(step.objective())
    head = step.gradients(step.objective(), within="classifier")
    assert set(head) == {"classifier.weight", "classifier.bias"}
    assert all(torch.allclose(head[name], whole[name], rtol=1e-12) for name in head)


def test_parameters_that_a_value_does_not_reach_get_zeros_and_frozen_ones_nothing(network, batch):
    network.backbone.conv1.weight.requires_grad_(False)
    step = Step(Method(), network, batch, CLOCK)
    found = step.gradients(network.classifier.bias.sum())
    assert "backbone.conv1.weight" not in found
    assert torch.equal(found["classifier.bias"], torch.ones(4, dtype=torch.float64))
    rest = [part for name, part in found.items() if name != "classifier.bias"]
    assert not any(part.any() for part in rest)


def test_outputs_are_raised_to_float32_before_the_losses(batch):
    network = resnet8(4)
    half = Batch((batch.images.float(),), batch.targets, batch.indices)
    step = Step(Method(), network, half, CLOCK, lambda: torch.autocast("cpu", torch.bfloat16))
    outputs = step.forward()
    assert {value.dtype for value in outputs.values()} == {torch.float32}
    with torch.no_grad():  # the backbone ran in bfloat16
        exact = network(half.images)["features"]
    assert not torch.equal(outputs["features"], exact)
    assert torch.allclose(outputs["features"], exact, rtol=0.1, atol=0.1)
    displaced = step.forward({"classifier.bias": torch.ones(4)})
    assert {value.dtype for value in displaced.values()} == {torch.float32}
    assert not torch.equal(displaced["logits"], outputs["logits"])


def test_double_precision_stays_double(network, batch):
    outputs = Step(Method(), network, batch, CLOCK).forward()
    assert {value.dtype for value in outputs.values()} == {torch.float64}
