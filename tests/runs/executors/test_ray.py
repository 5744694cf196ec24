"""Ray as an executor, on a made-up Ray whose tasks run when they are waited for."""

import sys
import time
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pytest

from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.executors import deadline, devices
from ltbench.runs.executors import ray as module
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.signals import OutOfTimeError
from ltbench.runs.store import Store


class RayError(Exception):
    """Of Ray itself, as where a worker or its machine is gone."""


class RayTaskError(RayError):
    """Of what a task raised, which is its cause."""

    cause = None


@pytest.fixture
def cluster(monkeypatch):
    """A Ray that remembers what it was asked for, and loses the tasks it is told to."""
    made = SimpleNamespace(asked=[], tasks=[], cancelled=[], losses=0, begun=False, gpus=0)

    def remote(**options):
        def wrapped(work):
            def begin(order, before=None):
                reference = SimpleNamespace(work=work, order=order, before=before, error=None)
                made.asked.append((order.job.trained, order.first_stage_only, before is not None))
                made.tasks.append(reference)
                return Reference(reference)

            made.options = options
            return SimpleNamespace(remote=begin)

        return wrapped

    def wait(references, timeout, num_returns=1):
        reference = references[0]
        if made.losses:
            made.losses -= 1
            reference.task.error = RayError("The node died.")
        else:
            reference.task.work(reference.task.order)
        return [reference], references[1:]

    def get(reference):
        if reference.task.error:
            raise reference.task.error

    fake = ModuleType("ray")
    fake.exceptions = SimpleNamespace(RayError=RayError, RayTaskError=RayTaskError)
    fake.remote, fake.wait, fake.get = remote, wait, get
    fake.is_initialized = lambda: made.begun
    fake.init = lambda **options: made.asked.append(options)
    fake.shutdown = lambda: made.asked.append("shutdown")
    fake.cluster_resources = lambda: {"CPU": 2, "GPU": made.gpus} if made.gpus else {"CPU": 2}
    fake.nodes = lambda: []  # whose folders would be looked at
    fake.cancel = lambda reference, force: made.cancelled.append((reference, force))
    made.fake = fake
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(module, "SECONDS_TO_NOTICE", 0.0)
    monkeypatch.setattr(module, "SECONDS_TO_SHOW", 0.0)
    return made


class Reference:
    """A reference to a task, as a key."""

    def __init__(self, task):
        self.task = task


def test_ray_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LtbenchError, match=r"pip install ltbench\[ray\]"):
        executor_of("ray", Options())


def test_a_first_stage_is_waited_for_and_all_end_in_records(cluster, workspace, jobs_of, listener):
    jobs = jobs_of(workspace.results, ["sam", "crt", "lws"])
    outcome = executor_of("ray", Options(("cpu",))).run(jobs, workspace, listener)
    begun, *asked, ended = cluster.asked
    assert begun["address"] == "local"
    assert ended == "shutdown"
    assert asked == [
        ("sam", False, False), ("crt", True, False), ("crt", False, True), ("lws", False, True),
    ]  # fmt: skip
    assert {record.method for record in outcome.records} == {"sam", "crt", "lws"}


def test_a_task_that_is_lost_is_given_again_as_often_as_asked(
    cluster, workspace, jobs_of, listener
):
    cluster.begun = True  # by whoever calls: it is not ours to end
    (job,) = jobs_of(workspace.results)
    cluster.losses = 2
    outcome = executor_of("ray", Options(("cpu",), retries=2)).run([job], workspace, listener)
    assert len(outcome.records) == 1
    assert [event for event, _ in listener.events].count("lost") == 2
    assert cluster.asked == [("ce", False, False)] * 3
    (job,) = jobs_of(workspace.results, seeds=[1])
    cluster.losses = 2
    outcome = executor_of("ray", Options(("cpu",), retries=1)).run([job], workspace, listener)
    assert outcome.failures == {str(job): "its Ray worker is lost (The node died)."}
    assert [failure.seed for failure in Store(workspace.results).failures()] == [1]


def test_what_a_task_raises_is_said_and_not_tried_again(cluster, workspace, jobs_of, listener):
    error = RayTaskError("traceback")
    error.cause = LtbenchError("this machine does not see the results folder.")
    cluster.fake.wait = lambda references, **options: (references[:1], references[1:])

    def get(reference):
        raise error

    cluster.fake.get = get
    outcome = executor_of("ray", Options(("cpu",))).run(
        jobs_of(workspace.results), workspace, listener
    )
    (reason,) = outcome.failures.values()
    assert reason == "this machine does not see the results folder."
    assert "lost" not in [event for event, _ in listener.events]


@pytest.mark.parametrize(
    ("device", "gpus", "per_gpu", "share"),
    [("auto", 0, 1, 0.0), ("auto", 2, 1, 1.0), ("auto", 2, 4, 0.25), ("cpu", 2, 4, 0.0)],
)
def test_a_task_has_its_share_of_a_gpu_where_there_are_some(
    cluster, workspace, device, gpus, per_gpu, share
):
    cluster.gpus = gpus
    executor = executor_of("ray", Options((device,), per_gpu=per_gpu))
    executor.task(executor.placed(replace(workspace, device=device)), print)
    assert cluster.options == {"num_cpus": 1, "num_gpus": share, "max_retries": 0}


def test_a_gpu_is_asked_of_the_cluster_and_not_of_this_machine(
    cluster, workspace, jobs_of, listener, monkeypatch
):
    monkeypatch.setattr(devices, "is_available", lambda: False)
    monkeypatch.setattr(module, "check_nodes", lambda ray, root: None)
    jobs, there = jobs_of(workspace.results), replace(workspace, device="cuda")
    executor = executor_of("ray:auto", Options(("cuda",)))
    with pytest.raises(LtbenchError, match=r"^the Ray cluster at auto has no GPU; add a machine"):
        executor.run(jobs, there, listener)
    cluster.gpus = 1
    assert executor.placed(there).device == "cuda"
    assert executor_of("ray:auto", Options(("auto",))).trains_on is None
    with pytest.raises(UsageError, match=r"^no device 'cuda' here"):  # where it would start one
        executor_of("ray", Options(("cuda",)))


def interrupted(cluster):
    """Interrupt the first wait for tasks; return what waits were for, as they come."""
    waited = []

    def wait(references, timeout, num_returns=None):
        waited.append((len(references), num_returns))
        if num_returns is None:
            raise KeyboardInterrupt
        return references, []

    cluster.fake.wait = wait
    return waited


def test_an_interruption_asks_a_task_that_is_a_first_stage_only_to_save_too(
    cluster, workspace, jobs_of, listener
):
    interrupted(cluster)
    with pytest.raises(KeyboardInterrupt):
        executor_of("ray", Options(("cpu",))).run(
            jobs_of(workspace.results, ["crt", "lws"]), workspace, listener
        )
    asked = [reference.task.order.first_stage_only for reference, _ in cluster.cancelled]
    assert sorted(asked) == [False, False, True]


def test_an_interruption_asks_every_task_to_save_and_waits_for_them(
    cluster, workspace, jobs_of, listener
):
    waited = interrupted(cluster)
    with pytest.raises(KeyboardInterrupt):
        executor_of("ray", Options(("cpu",))).run(
            jobs_of(workspace.results, ["ce", "sam"]), workspace, listener
        )
    assert [force for _, force in cluster.cancelled] == [False, False]
    assert waited == [(2, None), (2, 2)]
    assert cluster.asked[-1] == "shutdown"


def test_at_the_time_limit_every_task_saves(cluster, workspace, jobs_of, listener):
    def wait(references, timeout, num_returns=None):
        if num_returns is None:
            time.sleep(30)
        return references, []

    cluster.fake.wait = wait
    options = Options(("cpu",), time_limit=60.5, signal_before=60.0)
    with pytest.raises(OutOfTimeError):
        executor_of("ray", options).run(jobs_of(workspace.results), workspace, listener)
    assert [force for _, force in cluster.cancelled] == [False]


def test_a_task_that_could_not_end_an_epoch_in_time_is_not_begun(
    cluster, workspace, jobs_of, listener, monkeypatch
):
    first, late = jobs_of(workspace.results, seeds=[0, 1])
    seconds = {first.fingerprint: 1.0, late.fingerprint: 1000.0}
    monkeypatch.setattr(
        deadline, "epoch_seconds", lambda job, store, costs: seconds[job.fingerprint]
    )
    options = Options(("cpu",), time_limit=560.0, signal_before=60.0)
    outcome = executor_of("ray", options).run([first, late], workspace, listener)
    assert [record.seed for record in outcome.records] == [0]
    assert outcome.left == [late]
    assert [reference.task.order.job for reference, _ in cluster.cancelled] == [late]


def test_an_address_where_nothing_answers_is_one_sentence_at_once(
    cluster, workspace, jobs_of, listener, monkeypatch
):
    jobs = jobs_of(workspace.results)
    with pytest.raises(LtbenchError, match=r"^no Ray cluster answers at 127\.0\.0\.1:1 \("):
        executor_of("ray:127.0.0.1:1", Options(("cpu",))).run(jobs, workspace, listener)
    assert cluster.asked == []  # Ray would ask for minutes

    def refuse(**options):
        raise ConnectionError("nobody is there\nat all")

    cluster.fake.init = refuse
    with pytest.raises(LtbenchError, match=r"^no Ray cluster answers at auto \(nobody is there\)"):
        executor_of("ray:auto", Options(("cpu",))).run(jobs, workspace, listener)


@pytest.mark.parametrize(
    ("cause", "lost"),
    [
        (RayError("WorkerCrashedError"), True),  # of the first stage that it waited for
        (RayTaskError("the first stage raised"), False),
        (ValueError("its own"), False),
    ],
)
def test_a_task_is_lost_with_its_first_stages_worker_and_not_with_its_error(
    cluster, workspace, jobs_of, listener, cause, lost
):
    error = RayTaskError("traceback")
    error.cause = cause
    cluster.fake.wait = lambda references, **options: (references[:1], references[1:])

    def get(reference):
        raise error

    cluster.fake.get = get
    (job,) = jobs_of(workspace.results)
    outcome = executor_of("ray", Options(("cpu",), retries=1)).run([job], workspace, listener)
    assert [event for event, _ in listener.events].count("lost") == lost
    assert list(outcome.failures) == [str(job)]
