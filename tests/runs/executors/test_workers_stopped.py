"""The end of a command with workers: all of them save at the same time."""

import multiprocessing
from types import SimpleNamespace

import pytest

from ltbench.runs.executors import workers


def test_every_worker_is_asked_to_save_before_one_is_waited_for(
    workspace, jobs_of, listener, monkeypatch
):
    asked = []

    def process(target, args):
        name = f"worker {len([each for each in asked if each.startswith('start')])}"
        return SimpleNamespace(
            start=lambda: asked.append(f"start {name}"),
            terminate=lambda: asked.append(f"terminate {name}"),
            join=lambda: asked.append(f"join {name}"),
        )

    def pipe():
        return (SimpleNamespace(send=lambda content: None, close=lambda: None) for _ in range(2))

    context = SimpleNamespace(Process=process, Pipe=pipe)
    monkeypatch.setattr(multiprocessing, "get_context", lambda kind: context)

    def interrupted(connections):
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "wait", interrupted)
    jobs = jobs_of(workspace.results, seeds=[0, 1])
    with pytest.raises(KeyboardInterrupt):
        workers.run_in_workers(jobs, workspace, listener, ["cpu", "cpu"], [])
    assert asked[2:] == [
        "terminate worker 0", "terminate worker 1", "join worker 0", "join worker 1",
    ]  # fmt: skip
