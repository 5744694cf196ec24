"""SWA against torch's own averaging, epoch by epoch, batch statistics included."""

import copy

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, update_bn

from ltbench import build
from ltbench.engine.evaluate import finalised
from ltbench.errors import UsageError
from ltbench.registry.methods import role
from ltbench.testing.synthetic import training


def by_epoch(work):
    """Run a training; return the network's state after every epoch."""
    states = []

    def observe(report):
        if report.loss is not None:
            states.append(copy.deepcopy(work.network.state_dict()))

    work.run(observe)
    return states


def same(left, right, tolerance=0.0):
    assert left.keys() == right.keys()
    for name, value in left.items():
        torch.testing.assert_close(value, right[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("specification", ["swa(start=0.5)", "ldam_drw+sam+swa(start=0.5)"])
def test_it_is_torch_s_averaged_model_with_its_statistics_updated(specification):
    work = training(specification, 6, learning_rate=0.1)
    states = by_epoch(work)
    epoch = copy.deepcopy(work.network)
    averaged = AveragedModel(epoch)
    for state in states[3:]:
        epoch.load_state_dict(state)
        averaged.update_parameters(epoch)
    update_bn((batch.images for batch in work.train.clean()), averaged)
    final = finalised(work.method, work.network)
    same(final.state_dict(), averaged.module.state_dict(), 1e-5)
    start = states[-1]["classifier.weight"]
    assert (final.classifier.weight - start).abs().max() > 1e-3


def test_the_training_itself_is_undisturbed():
    for left, right in zip(by_epoch(training("swa")), by_epoch(training("ce")), strict=True):
        same(left, right)


def test_before_its_start_the_network_predicts_as_it_is():
    work = training("swa(start=0.9)", 3)  # epoch 2 of 3 is at two thirds
    by_epoch(work)
    same(finalised(work.method, work.network).state_dict(), work.network.state_dict())
    assert work.method.state == {}


@pytest.mark.parametrize(("start", "count"), [(0.0, 5), (0.8, 1), (0.5, 2), (0.2, 4)])
def test_it_begins_at_its_share_of_the_epochs(start, count):
    work = training(f"swa(start={start})", 5)
    work.run(lambda report: None)
    assert work.method.state["count"] == count


def test_the_average_of_a_constant_is_the_constant():
    work = training("swa(start=0.0)", 5, learning_rate=0.0)
    work.run(lambda report: None)
    final, weights = finalised(work.method, work.network), dict(work.network.named_parameters())
    for name, weight in final.named_parameters():
        assert torch.equal(weight, weights[name])
    fresh = training("ce")
    same(dict(fresh.network.named_parameters()), weights)


def test_what_only_trains_is_left_out():
    work = training("bcl+swa(start=0.0)", 2)
    work.run(lambda report: None)
    final = finalised(work.method, work.network)
    assert not [name for name in final.state_dict() if name.startswith("projection")]
    mean = work.method.state["1"]["mean"]
    assert torch.equal(final.classifier.weight, mean["classifier.weight"])


def test_post_hoc_parts_act_on_the_average():
    work = training("swa(start=0.0)", 2)
    work.run(lambda report: None)
    method = build("ce+swa+tau_norm")
    method.parts[1].state = work.method.state
    lengths = finalised(method, work.network).classifier.weight.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(6))


@pytest.mark.parametrize(
    ("specification", "words"),
    [
        ("crt+swa", "swa averages a training of one stage, and crt has more"),
        ("ce+tau_norm+swa", "swa would undo what tau_norm does .* write swa first"),
        ("ce+more+swa", "swa would undo what more does .* write swa first"),
    ],
)
def test_what_it_does_not_fit_is_refused_in_words(specification, words):
    with pytest.raises(UsageError, match=words):
        build(specification)


def test_a_base_that_ends_in_other_weights_is_refused_in_words():
    work = training("more+swa(start=0.0)", 1)
    with pytest.raises(UsageError, match="choose another base"):
        work.run(lambda report: None)


def test_it_is_a_modifier():
    assert role(type(build("ce+swa").parts[1])) == "modifier"
