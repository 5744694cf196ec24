"""What a job of Slurm does when its time is over, without a Slurm."""

from dataclasses import replace

import pytest

from ltbench.runs.executors import slurm_worker as module
from ltbench.runs.executors.order import Order
from ltbench.runs.executors.slurm_worker import work
from ltbench.runs.signals import OutOfTimeError
from ltbench.runs.store import Store


@pytest.fixture
def requeued(monkeypatch):
    """What is asked of Slurm, and nothing else of the machine."""
    asked = []
    monkeypatch.setattr(module, "interrupt_on_signals", lambda: None)
    monkeypatch.setattr(module, "own_number", lambda: "7")
    monkeypatch.setattr(module.subprocess, "run", lambda command, **options: asked.append(command))
    return asked


@pytest.mark.parametrize("saves", [True, False])
def test_a_first_stage_is_queued_again_only_where_an_epoch_ended(
    workspace, jobs_of, monkeypatch, requeued, saves
):
    (job,) = jobs_of(workspace.results, ["crt"])
    order = replace(Order.of(job, workspace, []), first_stage_only=True)
    store = Store(order.workspace.results)

    def fill(self):
        path = store.checkpoint_path(job.first_stage.fingerprint)
        if saves:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"a checkpoint")
        raise OutOfTimeError

    monkeypatch.setattr(Order, "fill", fill)
    work(order)
    failures = [failure.error for failure in store.failures()]
    if saves:
        assert (requeued, failures) == ([["scontrol", "requeue", "7"]], [])
    else:
        assert requeued == []
        assert failures == [
            "not one epoch ended within the time of a Slurm job; give the profile more time."
        ]
