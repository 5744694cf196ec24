"""What Ray brings beyond the contract; run by `nox -s ray`, on a cluster of its own."""

import os
import random
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import ray
from ray_cluster import SMALL, add_node, head

from ltbench.errors import LtbenchError
from ltbench.runs.executors import shared_folder
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.executors.shared_folder import mark_of
from ltbench.runs.store import Cell, Store

SOME = "fast(epochs=60, evaluate_every=60)"  # long enough to be seen under way


@pytest.fixture
def cluster():
    """A head that runs nothing; nodes are added to it."""
    found = head()
    try:
        yield found
    finally:
        found.shutdown()


def test_a_node_killed_at_random_loses_no_record_and_doubles_none(
    cluster, workspace, jobs_of, listener, lasting
):
    nodes = [add_node(cluster) for _ in range(2)]
    jobs = jobs_of(workspace.results, ["ce", "focal", "sam", "ldam"], protocol_name=SOME)
    often = replace(workspace, checkpoint_every=0.0)
    epochs = random.Random(0).randrange(2, 10)
    report = listener.report

    def kill(job, news):
        report(job, news)
        if news.epoch >= epochs and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            nodes.clear()
            add_node(cluster)

    listener.report = kill
    executor = executor_of(f"ray:{cluster.address}", Options(("cpu",)))
    outcome = executor.run(jobs, often, listener)
    assert nodes == []
    assert outcome.failures == {}
    store = Store(workspace.results)
    assert sorted(Cell.of(record).method for record in outcome.records) == [
        "ce", "focal", "ldam", "sam"
    ]  # fmt: skip
    assert sorted(record.method for record in store.records()) == ["ce", "focal", "ldam", "sam"]
    assert not list(store.root.rglob("*.failed.json"))
    assert "lost" in [event for event, _ in listener.events]


def test_trainings_share_a_gpu_as_asked(cluster, workspace, jobs_of, listener):
    add_node(cluster, cpus=4, gpus=1)
    executor = executor_of(f"ray:{cluster.address}", Options(("auto",), per_gpu=2))

    def where():  # within the test, for workers cannot import its file
        """Return the GPUs that a task is given, when another runs beside it."""
        time.sleep(1)
        return os.environ.get("CUDA_VISIBLE_DEVICES")

    executor.connect()
    try:
        asked = executor.placed(replace(workspace, device="auto"))
        assert asked.device == "cuda"
        visible = executor.task(asked, where)
        assert ray.get([visible.remote(), visible.remote()]) == ["0", "0"]  # at the same time
        assert ray.get(executor.task(workspace, where).remote()) in ("", None)
    finally:
        ray.shutdown()


@pytest.mark.parametrize(
    ("mount", "words"),
    [
        ("mount -t tmpfs none {0}", "does not see the results folder"),
        ("mount --bind -o ro {0} {0}", "cannot write the results folder .*Read-only file system"),
        ("cp -r {0} {0}2 && mount --bind {0}2 {0}", "into .* does not appear there here; put it"),
    ],
)
def test_a_machine_that_does_not_share_the_results_is_one_sentence(
    cluster, workspace, jobs_of, listener, monkeypatch, mount, words
):
    monkeypatch.setattr(shared_folder, "SECONDS_TO_SHOW", 2.0)
    mark_of(workspace.results)
    start = [
        "unshare", "--mount", "sh", "-c", f'{mount.format(workspace.results)} && exec "$@"', "sh",
        sys.executable, "-m", "ray.scripts.scripts", "start", f"--address={cluster.address}",
        "--num-cpus=1", f"--object-store-memory={SMALL}", "--block",
    ]  # fmt: skip
    with subprocess.Popen(start, stdout=subprocess.DEVNULL) as elsewhere:
        try:
            executor = executor_of(f"ray:{cluster.address}", Options(("cpu",)))
            executor.connect()
            while not any(node["Resources"].get("CPU") for node in ray.nodes()):
                assert elsewhere.poll() is None
                time.sleep(0.5)
            with pytest.raises(LtbenchError, match=words):
                executor.run(jobs_of(workspace.results), workspace, listener)
        finally:
            ray.shutdown()
            elsewhere.terminate()
    assert listener.events == []


def test_no_cluster_at_an_address_is_one_sentence(workspace, jobs_of, listener):
    executor = executor_of("ray:127.0.0.1:1", Options(("cpu",)))
    with pytest.raises(LtbenchError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        executor.run(jobs_of(workspace.results), workspace, listener)
