"""A Ray cluster on this machine: a head that runs nothing, and nodes of one core."""

from typing import Any

from ray.cluster_utils import Cluster

SMALL = 2**27  # bytes of a node for objects
LEAN = {"object_store_memory": SMALL, "include_log_monitor": False}  # processes, too
TRIES = 10  # of Ray, which gives a node up that takes half a minute to start


def head() -> Cluster:
    """Start a cluster with a head that runs nothing; nodes are added to it."""
    arguments = {"num_cpus": 0, "include_dashboard": False, "no_monitor": True, **LEAN}
    return _insistently(lambda: Cluster(initialize_head=True, head_node_args=arguments))


def add_node(cluster: Cluster, cpus: int = 1, gpus: int = 0) -> Any:
    """Add a node to a cluster."""
    return _insistently(lambda: cluster.add_node(num_cpus=cpus, num_gpus=gpus, **LEAN))


def _insistently(start: Any) -> Any:
    for _ in range(TRIES - 1):
        try:
            return start()
        except Exception as error:  # Ray has no name for it
            print(f"Ray did not start in time: {error}")
    return start()
