"""The machines of a made-up Ray cluster, asked for the results folder; real ones: ray_tests.py."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.executors.ray_nodes import check_nodes
from ltbench.runs.executors.shared_folder import mark_of


class RayError(Exception):
    """Of Ray itself."""


class RayTaskError(RayError):
    """Of what a task raised, which is its cause."""

    cause = None


class GetTimeoutError(RayError):
    """Of a task that has not ended in time."""


@pytest.fixture
def ray(monkeypatch):
    """Ray with a machine that does what it is told: `answers` maps machines to an error."""
    strategies = ModuleType("ray.util.scheduling_strategies")
    strategies.NodeAffinitySchedulingStrategy = lambda node, soft: node
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", strategies)
    made = SimpleNamespace(errors={})

    def get(reference, timeout):
        node, work, given = reference
        if node in made.errors:
            raise made.errors[node]
        return work(*given)

    def remote(**options):
        def wrapped(work):
            return SimpleNamespace(
                options=lambda scheduling_strategy: SimpleNamespace(
                    remote=lambda *given: (scheduling_strategy, work, given)
                )
            )

        return wrapped

    made.remote, made.get = remote, get
    made.exceptions = SimpleNamespace(
        RayError=RayError, RayTaskError=RayTaskError, GetTimeoutError=GetTimeoutError
    )
    made.nodes = lambda: [
        {"Alive": True, "Resources": {"CPU": 1}, "NodeID": name, "NodeManagerHostname": name}
        for name in ("one", "two")
    ]
    return made


def test_machines_that_share_the_folder_pass(ray, tmp_path):
    mark_of(tmp_path)
    check_nodes(ray, tmp_path)


def test_a_machine_that_is_lost_meanwhile_says_nothing(ray, tmp_path):
    ray.errors["two"] = RayError("The node died.")
    check_nodes(ray, tmp_path)


def test_a_machine_that_does_not_answer_in_time_is_named(ray, tmp_path):
    ray.errors["two"] = GetTimeoutError("300 s")
    with pytest.raises(LtbenchError, match=r"two has not looked into .* within 300 seconds; see"):
        check_nodes(ray, tmp_path)


def test_a_machine_without_ltbench_is_named(ray, tmp_path):
    ray.errors["one"] = error = RayTaskError("traceback")
    error.cause = ModuleNotFoundError("No module named 'ltbench'")
    with pytest.raises(LtbenchError, match=r"one does not run ltbench \(No module named"):
        check_nodes(ray, tmp_path)
