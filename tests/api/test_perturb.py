"""Perturbations: evaluation at displaced weights, and their geometry in closed form."""

import copy
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_methods import resnet8
from torch import nn

from ltbench.api.perturb import Segments, evaluate_at, inner, norm, rejected, scaled
from ltbench.engine.precision import autocast_of
from ltbench.testing.synthetic import first_step, training

SHAPES = {"a": (3,), "b": (2, 2), "c": ()}


@pytest.fixture
def network():
    return resnet8().double().train()


@pytest.fixture
def images():
    draw = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=draw, dtype=torch.float64)


def random_perturbation(network, seed=2, size=0.01):
    draw = torch.Generator().manual_seed(seed)
    return {
        name: size * torch.randn(p.shape, generator=draw, dtype=p.dtype)
        for name, p in network.named_parameters()
    }


def perturbation_of(seed, size=1.0):
    draw = torch.Generator().manual_seed(seed)
    return {
        name: size * torch.randn(shape, generator=draw, dtype=torch.float64)
        for name, shape in SHAPES.items()
    }


def flat(perturbation):
    return torch.cat([part.flatten() for part in perturbation.values()])


def loss_of(images):
    return lambda network: network(images)["logits"].square().mean()


def displaced_in_place(network, perturbation):
    twin = copy.deepcopy(network)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.add_(perturbation[name])
    return twin


# evaluation


def test_evaluation_at_a_perturbation_equals_displacing_the_weights_in_place(network, images):
    perturbation = random_perturbation(network)
    found = evaluate_at(network, perturbation, loss_of(images))
    there = loss_of(images)(displaced_in_place(network, perturbation))
    here = loss_of(images)(network)
    assert torch.equal(found, there)
    assert not torch.equal(found, here)


def test_gradients_at_a_perturbation_land_in_the_original_parameters(network, images):
    perturbation = random_perturbation(network)
    evaluate_at(network, perturbation, loss_of(images)).backward()
    twin = displaced_in_place(network, perturbation)
    loss_of(images)(twin).backward()
    for (name, parameter), moved in zip(network.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(parameter.grad, moved.grad, rtol=0, atol=1e-14), name


def test_weights_and_buffers_are_untouched(network, images):
    before = copy.deepcopy(network.state_dict())
    identities = {name: id(p) for name, p in network.named_parameters()}
    evaluate_at(network, random_perturbation(network), loss_of(images)).backward()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert {name: id(p) for name, p in network.named_parameters()} == identities


def test_the_undisplaced_pass_does_move_the_statistics(network, images):
    before = copy.deepcopy(network.state_dict())
    loss_of(images)(network)
    assert int(network.backbone.bn1.num_batches_tracked) == 1
    assert not torch.equal(network.backbone.bn1.running_mean, before["backbone.bn1.running_mean"])


def test_only_the_named_parameters_are_displaced(network, images):
    shift = torch.ones(5, dtype=torch.float64)
    plain = network(images)["logits"]
    moved = evaluate_at(network, {"classifier.bias": shift}, lambda n: n(images)["logits"])
    assert torch.allclose(moved, plain + 1, rtol=0, atol=1e-14)


def test_an_empty_perturbation_changes_nothing(network, images):
    found = evaluate_at(network, {}, loss_of(images))
    assert torch.equal(found, loss_of(images)(network))


def test_the_function_may_use_the_network_in_any_way(network):
    perturbation = {"classifier.weight": torch.ones(5, 64, dtype=torch.float64)}
    total = evaluate_at(network, perturbation, lambda n: n.classifier.weight.sum())
    assert torch.allclose(total, network.classifier.weight.sum() + 5 * 64)
    both = evaluate_at(
        network, perturbation, lambda n: (n.classifier.bias, n.classifier.weight.sum())
    )
    assert torch.equal(both[0], network.classifier.bias)
    assert torch.equal(both[1], total)


def test_gradients_flow_into_the_perturbation_too(network, images):
    shift = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    evaluate_at(network, {"classifier.bias": shift}, loss_of(images)).backward()
    assert torch.equal(shift.grad, network.classifier.bias.grad)


def test_a_graph_kept_from_before_stays_valid(network, images):
    first = loss_of(images)(network)
    evaluate_at(network, random_perturbation(network), loss_of(images)).backward()
    network.zero_grad()
    first.backward()
    assert all(p.grad is not None for p in network.parameters())


@pytest.mark.parametrize("name", ["classifier.wieght", "backbone.bn1.running_mean", "network", ""])
def test_a_name_that_is_no_parameter_is_a_key_error_that_names_it(network, name):
    with pytest.raises(KeyError, match="has no parameter") as caught:
        evaluate_at(network, {name: torch.zeros(1)}, lambda n: n)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_whatever_the_function_raises_the_network_is_as_before(network, images, error):
    before = copy.deepcopy(network.state_dict())
    identities = [id(p) for p in network.parameters()]

    def fail(displaced):
        displaced(images)
        raise error("half way")

    with pytest.raises(error, match="half way"):
        evaluate_at(network, random_perturbation(network), fail)
    assert [id(p) for p in network.parameters()] == identities
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(evaluate_at(network, {}, loss_of(images)), loss_of(images)(network))


def test_a_wrong_shape_leaves_the_network_as_before(network, images):
    before = copy.deepcopy(network.state_dict())
    perturbation = {"classifier.bias": torch.zeros(4, dtype=torch.float64)}
    with pytest.raises(RuntimeError, match="size of tensor"):
        evaluate_at(network, perturbation, loss_of(images))
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_weight_used_twice_is_displaced_in_both_places():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(2, 2, bias=False)
            self.second = self.first

        def forward(self, values):
            return self.second(self.first(values))

    network, values = Tied(), torch.eye(2)
    perturbation = {"first.weight": torch.full((2, 2), 0.5)}
    weight = network.first.weight + 0.5
    found = evaluate_at(network, perturbation, lambda n: n(values))
    assert torch.allclose(found, values @ weight.T @ weight.T)


# geometry


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-6, 1e6))
@settings(max_examples=100)
def test_the_norm_and_the_inner_product_are_those_of_the_flattened_perturbations(seed, size):
    left, right = perturbation_of(seed, size), perturbation_of(seed + 1)
    assert float(norm(left)) == pytest.approx(float(flat(left).norm()), rel=1e-12)
    expected = float(flat(left) @ flat(right))
    slack = 1e-12 * float(norm(left) * norm(right))
    assert float(inner(left, right)) == pytest.approx(expected, abs=slack)


def test_the_norm_of_three_and_four_is_five():
    perturbation = {"a": torch.tensor([3.0, 0.0]), "b": torch.tensor([[-4.0]])}
    assert float(norm(perturbation)) == 5
    assert float(inner(perturbation, perturbation)) == 25


def test_the_norm_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="empty perturbation"):
        norm({})


def test_the_norm_is_detached_from_the_graph():
    assert not norm({"a": torch.ones(2, requires_grad=True)}).requires_grad


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-3, 1e6), length=st.floats(1e-6, 1e3))
@settings(max_examples=100)
def test_a_scaled_perturbation_has_the_length_asked_for_and_the_direction_it_had(
    seed, size, length
):
    perturbation = perturbation_of(seed, size)
    found = scaled(perturbation, length)
    assert float(norm(found)) == pytest.approx(length, rel=1e-8)
    cosine = float(inner(found, perturbation) / (norm(found) * norm(perturbation)))
    assert cosine == pytest.approx(1, abs=1e-12)


def test_scaling_divides_by_the_norm_plus_a_trillionth_as_the_papers_do():
    perturbation = {"a": torch.tensor([3e-12, 4e-12], dtype=torch.float64)}
    expected = 0.1 * torch.tensor([3e-12, 4e-12], dtype=torch.float64) / (5e-12 + 1e-12)
    assert torch.allclose(scaled(perturbation, 0.1)["a"], expected, rtol=1e-12)


def test_a_zero_perturbation_stays_zero_and_length_zero_makes_any_perturbation_zero():
    zero = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    assert not flat(scaled(zero, 0.5)).any()
    assert not flat(scaled(perturbation_of(0), 0.0)).any()


def test_the_length_may_be_a_tensor():
    found = scaled({"a": torch.tensor([3.0, 4.0])}, torch.tensor(10.0))
    assert torch.allclose(found["a"], torch.tensor([6.0, 8.0]))


@given(seed=st.integers(0, 2**32 - 1), size=st.floats(1e-6, 1e6))
@settings(max_examples=100)
def test_a_rejected_perturbation_is_orthogonal_and_what_it_lost_is_parallel(seed, size):
    perturbation, direction = perturbation_of(seed), perturbation_of(seed + 1, size)
    kept = rejected(perturbation, direction)
    bound = 1e-12 * float(norm(perturbation) * norm(direction))
    assert abs(float(inner(kept, direction))) <= bound
    lost = flat(perturbation) - flat(kept)
    parallel = flat(direction) * (lost @ flat(direction)) / (flat(direction) @ flat(direction))
    assert torch.allclose(lost, parallel, rtol=0, atol=1e-12 * math.sqrt(8))
    lengths = float(norm(kept)) ** 2 + float(lost.norm()) ** 2
    assert lengths == pytest.approx(float(norm(perturbation)) ** 2, rel=1e-12)


def test_rejecting_a_direction_in_closed_form():
    perturbation = {"a": torch.tensor([2.0, 3.0]), "b": torch.tensor([5.0])}
    direction = {"a": torch.tensor([0.0, 7.0]), "b": torch.tensor([0.0])}
    kept = rejected(perturbation, direction)
    assert kept["a"].tolist() == [2, 0]
    assert kept["b"].tolist() == [5]


def test_rejecting_nothing_keeps_everything():
    perturbation = perturbation_of(0)
    zero = {name: torch.zeros_like(part) for name, part in perturbation.items()}
    assert torch.equal(flat(rejected(perturbation, zero)), flat(perturbation))


def test_rejecting_itself_leaves_nothing():
    perturbation = perturbation_of(0)
    assert float(norm(rejected(perturbation, perturbation))) < 1e-15


def test_no_operation_changes_its_arguments():
    perturbation, direction = perturbation_of(0), perturbation_of(1)
    before = flat(perturbation).clone(), flat(direction).clone()
    scaled(perturbation, 3.0)
    rejected(perturbation, direction)
    inner(perturbation, direction)
    norm(perturbation)
    assert torch.equal(flat(perturbation), before[0])
    assert torch.equal(flat(direction), before[1])


# Precision


def moved_by(share, precision):
    """Evaluate a step of weights perturbed by a share of their norm."""
    work = training("ce")
    step = first_step(work)
    step.autocast = autocast_of(precision, torch.device("cpu"))
    ones = {name: torch.ones_like(w) for name, w in work.network.named_parameters()}
    step.forward(scaled(ones, share * norm(dict(work.network.named_parameters()))))
    members = torch.zeros_like(step.batch.targets)
    perturbation = scaled(ones, share * norm(dict(work.network.named_parameters())))
    step.forward(Segments([perturbation, {}], members))


@pytest.mark.parametrize(
    ("share", "precision", "lost"),
    [
        (1e-5, "bfloat16", True), (1e-3, "bfloat16", False),
        (1e-10, "float32", True), (1e-5, "float32", False),
    ],
)  # fmt: skip
def test_perturbations_below_the_precision_are_warned_of(share, precision, lost):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        moved_by(share, precision)
    texts = [str(each.message) for each in found]
    assert len(texts) == (2 if lost else 0)
    assert all(f"rounding in {precision}" in text for text in texts)


@pytest.mark.filterwarnings("ignore:perturbations of less")
def test_bfloat16_rounds_away_what_is_warned_of_and_keeps_what_is_not():
    """The change of a gradient by a small and by a large displacement, against float64's."""
    cosines = []
    for share in (1e-5, 1e-2):
        changes = []
        for precision in (None, "bfloat16"):
            work = training("ce")
            network = work.network.double() if precision is None else work.network
            step = first_step(work)
            images = step.batch.images.to(next(network.parameters()))
            step.batch = step.batch._replace(views=(images,))
            if precision:
                step.autocast = autocast_of(precision, torch.device("cpu"))
            here = step.gradients(step.losses(step.forward()).mean())
            there = scaled(here, share * norm(dict(network.named_parameters())))
            moved = step.gradients(step.losses(step.forward(there)).mean())
            changes.append(torch.cat([(moved[n] - here[n]).double().flatten() for n in here]))
        cosines.append(float(torch.cosine_similarity(*changes, dim=0)))
    assert cosines[0] < 0.5
    assert cosines[1] > 0.9
