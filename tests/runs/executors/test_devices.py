"""Devices that the command's machine lacks: what is refused there, and what is known of them."""

import pytest

from ltbench.errors import UsageError
from ltbench.runs.cost import CostModel
from ltbench.runs.executors import devices as module
from ltbench.runs.executors.devices import check_kind, costs_on, is_here, trains_on
from ltbench.runs.recorded_cost import CostsElsewhere


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(module, "is_available", lambda: False)


@pytest.mark.parametrize("device", ["cuda:1", "cuda:0,cuda:1"])
def test_which_gpu_is_up_to_the_cluster(device):
    check_kind("cuda", "Slurm")
    with pytest.raises(UsageError, match=f"--device {device}: which GPU a training gets is up to"):
        check_kind(device, "Slurm")


def test_what_is_no_device_anywhere_is_refused_at_once():
    with pytest.raises(UsageError, match=r"^no device 'cudda' here"):
        check_kind("cudda", "Ray")


def test_an_executor_says_what_it_trains_on_or_is_taken_at_the_commands_word():
    class Says:
        trains_on = None

    assert trains_on(Says(), "auto") is None
    assert trains_on(object(), "cpu") == "cpu"


def test_times_on_a_gpu_that_is_not_here_are_not_taken_on_the_processor(workspace):
    assert not is_here("cuda")
    assert is_here("auto")
    assert isinstance(costs_on("cuda", workspace, []), CostsElsewhere)
    assert isinstance(costs_on(None, workspace, []), CostsElsewhere)
    assert isinstance(costs_on("cpu", workspace, []), CostModel)
