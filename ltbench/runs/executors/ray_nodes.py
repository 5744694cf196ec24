"""Whether the machines of a Ray cluster share the results folder with the command."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.runs.executors.shared_folder import SHARE, answer, check_shared, mark_of, take_answer

SECONDS_TO_ANSWER = 300.0  # of a machine; its first worker imports torch


def check_nodes(ray: Any, root: Path) -> None:
    """Raise LtbenchError, before anything is trained, for a machine that does not share a folder.

    Each machine with cores reads the folder's mark and writes an answer, which must be seen here.
    One that is lost meanwhile says nothing: it gets no tasks either.
    """
    affinity = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    task, mark = ray.remote(num_cpus=0, max_retries=0)(_look), mark_of(root)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    answers = [
        task.options(scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(root, mark)
        for node in nodes
    ]
    for node, reference in zip(nodes, answers, strict=True):
        try:
            reason, path = ray.get(reference, timeout=SECONDS_TO_ANSWER)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            raise LtbenchError(
                f"{node['NodeManagerHostname']} does not run ltbench ({cause}); install the same "
                "ltbench on all machines."
            ) from error
        except ray.exceptions.GetTimeoutError as error:  # alive, so it would be given tasks
            raise LtbenchError(
                f"{node['NodeManagerHostname']} has not looked into {root} within "
                f"{SECONDS_TO_ANSWER:.0f} seconds; see whether its file system answers, or take it "
                "out of the cluster."
            ) from error
        except ray.exceptions.RayError:
            continue
        if reason:
            raise LtbenchError(reason)
        if not take_answer(path):
            raise LtbenchError(
                f"what {node['NodeManagerHostname']} writes into {root} does not appear there "
                f"here; {SHARE}"
            )


def _look(root: Path, mark: str) -> tuple[str, Path]:
    """Return, on a machine of the cluster, what is wrong with the folder, and the answer's file."""
    try:
        check_shared(root, mark)
    except LtbenchError as error:
        return str(error), root
    return "", answer(root)
