"""What Ray brings beyond the contract; run by `nox -s ray`, on a cluster of its own."""

import os
import random
import time
from dataclasses import replace

import pytest
import ray
from ray.cluster_utils import Cluster

from ltbench.errors import LtbenchError
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.store import Cell, Store

SMALL = 2**27  # bytes for objects
SOME = "fast(epochs=12, evaluate_every=12)"


def _where():
    """Return the GPUs that a task is given, when another runs beside it."""
    time.sleep(1)
    return os.environ.get("CUDA_VISIBLE_DEVICES")


@pytest.fixture
def cluster():
    """A head that runs nothing; nodes are added to it."""
    found = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": SMALL}
    )
    try:
        yield found
    finally:
        found.shutdown()


def test_a_node_killed_at_random_loses_no_record_and_doubles_none(
    cluster, workspace, jobs_of, listener, lasting
):
    nodes = [cluster.add_node(num_cpus=1, object_store_memory=SMALL) for _ in range(2)]
    jobs = jobs_of(workspace.results, ["ce", "focal", "sam", "ldam"], protocol_name=SOME)
    often = replace(workspace, checkpoint_every=0.0)
    epochs = random.Random(0).randrange(2, 10)
    report = listener.report

    def kill(job, news):
        report(job, news)
        if news.epoch >= epochs and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)
            nodes.clear()
            cluster.add_node(num_cpus=1, object_store_memory=SMALL)

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
    cluster.add_node(num_cpus=4, num_gpus=1, object_store_memory=SMALL)
    executor = executor_of(f"ray:{cluster.address}", Options(("auto",), per_gpu=2))
    executor.connect()
    try:
        asked = executor.placed(replace(workspace, device="auto"))
        assert asked.device == "cuda"
        visible = executor.task(asked, _where)
        assert ray.get([visible.remote(), visible.remote()]) == ["0", "0"]  # at the same time
        assert ray.get(executor.task(workspace, _where).remote()) in ("", None)
    finally:
        ray.shutdown()


def test_no_cluster_at_an_address_is_one_sentence(workspace, jobs_of, listener):
    executor = executor_of("ray:127.0.0.1:1", Options(("cpu",)))
    with pytest.raises(LtbenchError, match=r"no Ray cluster answers at 127\.0\.0\.1:1 "):
        executor.run(jobs_of(workspace.results), workspace, listener)
