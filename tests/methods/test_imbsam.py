"""ImbSAM against an in-place reference with three backward passes."""

import pytest
import torch
from made_methods import batch_of, gap, with_network

from ltbench import Clock, Step, Task, build, describe
from ltbench.errors import UsageError
from ltbench.registry.contents import parameters

COUNTS = torch.tensor([40, 20, 19, 5, 1])
CLOCK = Clock("train", 0, 10)


def set_up(specification, targets):
    return *with_network(specification, COUNTS), batch_of(targets)


MIXED = [0, 1, 2, 3, 4, 0, 0, 1]


def gradients_of(specification, targets=MIXED):
    method, network, batch = set_up(specification, targets)
    method.backward(Step(method, network, batch, CLOCK))
    return [p.grad for p in network.parameters()]


def reference(base, rho, tail, targets=MIXED, times=1):
    """Head here; climb along the tail's gradient, look at the tail, climb down.

    As released (times=2) all images here in the head's place.
    """
    method, network, batch = set_up(base, targets)
    member = torch.tensor([y in tail for y in targets])

    def gradients(chosen):
        network.zero_grad()
        losses = method.losses(network(batch.images), batch, CLOCK)
        (losses[chosen].sum() / len(targets)).backward()
        return [p.grad.clone() for p in network.parameters()]

    head, climb = gradients(~member if times == 1 else slice(None)), gradients(member)
    total = sum(part.square().sum() for part in climb).sqrt()
    with torch.no_grad():
        for parameter, part in zip(network.parameters(), climb, strict=True):
            parameter.add_(rho * part / total)
    return [ours + there for ours, there in zip(head, gradients(member), strict=True)]


@pytest.mark.parametrize("base", ["ce", "ldam_drw", "vs_loss"])
@pytest.mark.parametrize(("eta", "tail"), [(20, {2, 3, 4}), (21, {1, 2, 3, 4}), (2, {4})])
def test_the_gradient_is_the_in_place_references(base, eta, tail):
    ours = gradients_of(f"{base}+imbsam(rho=0.1, eta={eta})")
    assert gap(ours, reference(base, 0.1, tail)) < 1e-9
    assert gap(ours, gradients_of(base)) > 1e-3  # the displacement is not lost on the way


@pytest.mark.parametrize("base", ["ce", "vs_loss"])
def test_the_release_adds_the_displaced_tail_to_all_images(base):
    ours = gradients_of(f"{base}+imbsam@release(rho=0.1)")
    assert gap(ours, reference(base, 0.1, {2, 3, 4}, times=2)) < 1e-9
    assert gap(ours, reference(base, 0.1, {2, 3, 4})) > 1e-3


@pytest.mark.parametrize(("variant", "times"), [("", 1), ("@release", 2)])
def test_bias_gradients_of_one_head_and_one_tail_image(variant, times):
    """At a classifier of zeros every class has 1/5: by hand, at radius zero."""
    method, network, batch = set_up(f"imbsam{variant}(rho=0.0)", [0, 4])
    with torch.no_grad():
        network.classifier.weight.zero_()
        network.classifier.bias.zero_()
    method.backward(Step(method, network, batch, CLOCK))
    head, tail = torch.full((2, 5), 0.2).double()
    head[0] -= 1
    tail[4] -= 1
    torch.testing.assert_close(network.classifier.bias.grad, (head + times * tail) / 2)


def test_the_parameter_that_came_later_counts_only_where_it_differs():
    assert parameters(build("imbsam")) == {"imbsam": {"rho": 0.05, "eta": 20}}
    released = build("imbsam@release")
    assert describe(released) == "imbsam@release"
    assert parameters(released)["imbsam@release"] == {"rho": 0.05, "eta": 20, "tail": "twice"}
    assert describe(build("imbsam(tail='twice')")) == "imbsam(tail='twice')"


def test_alone_it_is_on_cross_entropy():
    assert gap(gradients_of("imbsam"), gradients_of("ce+imbsam")) == 0


@pytest.mark.parametrize("specification", ["ce+imbsam(rho=0.0)"])
def test_radius_zero_is_the_base(specification):
    assert gap(gradients_of(specification), gradients_of("ce")) < 1e-12


def test_a_batch_without_tail_takes_the_plain_step():
    assert gap(gradients_of("imbsam", [0, 1, 0, 1]), gradients_of("ce", [0, 1, 0, 1])) == 0


def test_where_all_classes_are_tail_it_is_sam():
    assert gap(gradients_of("imbsam(rho=0.1, eta=41)"), gradients_of("sam(rho=0.1)")) < 1e-12


def test_where_no_class_is_tail_it_says_so():
    method = build("ce+imbsam(eta=5)")
    with pytest.raises(UsageError, match="the rarest class has 50 images; give an eta above 50"):
        method.setup(Task(torch.tensor([500, 50])))
