"""What a worker on another machine checks before it trains; each refusal is one sentence."""

from dataclasses import replace

import pytest

from ltbench.errors import LtbenchError
from ltbench.registry.methods import load_file
from ltbench.runs.executors import order as module
from ltbench.runs.executors import shared_folder
from ltbench.runs.executors.order import Order
from ltbench.runs.store import Store


@pytest.fixture
def order(workspace, jobs_of):
    (job,) = jobs_of(workspace.results)
    return Order.of(job, workspace, [])


def refusal(order):
    """Fill an order, and return why it was refused; nothing is trained."""
    order.fill()
    (failure,) = Store(order.workspace.results).failures()
    assert not list(Store(order.workspace.results).records())
    return failure.error


def test_a_worker_with_other_code_refuses_and_names_both(order):
    words = refusal(replace(order, source=("0.0.9", "a" * 40, False)))
    assert "and the command was given with 0.0.9 at aaaaaaaaaa; install the same" in words


def test_two_changed_work_trees_at_one_commit_are_told_apart_by_their_code(order, monkeypatch):
    same = ("0.1.0", "a" * 40, True)
    monkeypatch.setattr(module, "source_state", lambda: same)
    code = {"ce": {**order.code["ce"], "engine": "0123456789ab"}}
    words = refusal(replace(order, source=same, code=code))
    here = order.code["ce"]["engine"]
    assert "has ltbench 0.1.0 at aaaaaaaaaa, changed since, and the command was given" in words
    assert f", whose code differs in engine ({here} and 0123456789ab); install the same" in words


def test_changes_that_no_hash_shows_are_no_other_code(order, monkeypatch):
    monkeypatch.setattr(module, "source_state", lambda: ("0.1.0", "a" * 40, True))
    replace(order, source=("0.1.0", "a" * 40, False)).fill()
    assert len(list(Store(order.workspace.results).records())) == 1


def test_another_version_is_named_even_where_it_has_no_such_method(order, monkeypatch):
    monkeypatch.setattr(module, "source_state", lambda: ("0.0.9", "b" * 40, False))
    monkeypatch.setattr(module, "code_for", lambda job: 1 / 0)
    words = refusal(order)
    assert "has ltbench 0.0.9 at bbbbbbbbbb, and the command was given with" in words


def test_a_node_that_cannot_tell_its_commit_is_known_by_version_and_code(order, monkeypatch):
    monkeypatch.setattr(module, "source_state", lambda: ("0.1.0", None, None))
    replace(order, source=("0.1.0", "a" * 40, False)).fill()
    assert len(list(Store(order.workspace.results).records())) == 1


def test_the_code_of_ones_own_method_is_that_of_the_loop_which_trains_it(
    workspace, jobs_of, method_file
):
    load_file(method_file("mine", "views = 1"))
    (job,) = jobs_of(workspace.results, "mine")
    assert module.code_for(job)["mine"] == module.code_for(jobs_of(workspace.results)[0])["ce"]


def test_a_worker_without_the_device_says_which_machine_lacks_it(order, monkeypatch):
    monkeypatch.setattr(module.platform, "node", lambda: "node7")
    words = refusal(replace(order, workspace=replace(order.workspace, device="cuda:99")))
    assert words.startswith("node7 has no device 'cuda:99' (")
    assert words.endswith("with GPUs, or --device cpu.")


def test_a_worker_that_does_not_see_the_results_says_so(order, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_folder, "SECONDS_TO_SHOW", 0.0)
    elsewhere = replace(order.workspace, results=tmp_path / "elsewhere")
    with pytest.raises(LtbenchError, match="does not see the results folder"):
        replace(order, workspace=elsewhere).fill()
