"""Slurm as an executor, on a made-up submitit: what is submitted, followed, and tried again."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.cost import CostModel
from ltbench.runs.executors import deadline, devices
from ltbench.runs.executors import slurm as module
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.store import Store


@pytest.fixture
def cluster(monkeypatch, profile):
    """A submitit whose jobs run, or are lost, as soon as the queue is looked at."""
    made = SimpleNamespace(submitted=[], parameters=[], waiting={}, kills=set(), count=0)

    class Executor:
        def __init__(self, folder):
            self.folder = folder

        def update_parameters(self, **parameters):
            self.parameters = parameters

        def map_array(self, work, orders):
            if self.parameters["partition"] == "nowhere":
                raise RuntimeError("sbatch: error\nsbatch: error: invalid partition specified.")
            made.count += 1
            jobs = [SimpleNamespace(job_id=f"{made.count}_{n}") for n in range(len(orders))]
            made.submitted.append([order.job.trained for order in orders])
            made.parameters.append(self.parameters)
            made.waiting |= {job.job_id: order for job, order in zip(jobs, orders, strict=True)}
            return jobs

    def queued():
        numbers = set(made.waiting)
        for number, order in made.waiting.items():
            if number not in made.kills:
                order.fill()
        made.waiting.clear()
        return numbers

    fake = ModuleType("submitit")
    fake.SlurmExecutor = Executor
    monkeypatch.setitem(sys.modules, "submitit", fake)
    monkeypatch.setattr(module, "queued", queued)
    monkeypatch.setattr(module, "end_of", lambda number: f"its Slurm job {number} ended as FAILED.")
    monkeypatch.setattr(module, "SECONDS_BETWEEN", 0.0)
    made.executor = lambda text="", **options: executor_of(
        f"slurm:{profile('partition: main' + chr(10) + text)}", Options(("cpu",), **options)
    )
    return made


def test_slurm_without_a_profile_or_without_its_package_says_what_to_do(profile, monkeypatch):
    with pytest.raises(UsageError, match=r"needs a profile, as in slurm:profile\.yaml"):
        executor_of("slurm", Options())
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(LtbenchError, match=r"pip install ltbench\[slurm\]"):
        executor_of(f"slurm:{profile('')}", Options())
    with pytest.raises(UsageError, match="--per-gpu is for this machine and Ray"):
        executor_of(f"slurm:{profile('')}", Options(per_gpu=2))


def test_a_gpu_is_asked_of_the_profile_and_not_of_this_machine(
    cluster, workspace, jobs_of, profile, monkeypatch
):
    monkeypatch.setattr(devices, "is_available", lambda: False)
    executor = executor_of(f"slurm:{profile('partition: main')}", Options(("auto",)))
    assert executor.trains_on == "cuda"
    executor.submit(jobs_of(workspace.results), workspace)
    assert cluster.parameters[0]["time"] == 130  # no record says how long it takes there
    assert cluster.parameters[0]["gpus_per_node"] == 1
    without = f"slurm:{profile('gpus: 0')}"
    assert executor_of(without, Options(("auto",))).trains_on == "cpu"
    with pytest.raises(UsageError, match=r"^--device cuda, and jobs have no GPU by .*; write gpus"):
        executor_of(without, Options(("cuda",)))
    with pytest.raises(UsageError, match=r"^--device cuda:1: which GPU a training gets is up to"):
        executor_of(without, Options(("cuda:1",)))


def test_a_node_that_does_not_share_the_results_ends_the_command_and_cancels_the_rest(
    held, workspace, jobs_of, listener, monkeypatch
):
    cancelled = []
    monkeypatch.setattr(module, "cancel", cancelled.extend)

    def unseen(self, numbers):
        raise module.UnseenError("node7 took Slurm job 1_0.")

    monkeypatch.setattr(module.Outputs, "check", unseen)
    with pytest.raises(LtbenchError, match="node7 took"):
        held.executor("minutes: 9\ninterrupt: leave\n").run(
            jobs_of(workspace.results, ["ce", "sam"]), workspace, listener
        )
    assert cancelled == ["1_0", "1_1"]


def test_a_first_stage_goes_before_what_shares_it_and_all_end_in_records(
    cluster, workspace, jobs_of, listener
):
    jobs = jobs_of(workspace.results, ["sam", "crt", "lws"])
    outcome = cluster.executor("minutes: 7\n").run(jobs, workspace, listener)
    assert cluster.submitted == [["sam"], ["crt"], ["crt", "lws"]]
    alone, first, after = cluster.parameters
    assert "dependency" not in alone
    assert "dependency" not in first
    assert after["dependency"] == "afterany:2_0"
    assert {each["time"] for each in cluster.parameters} == {7}
    assert {record.method for record in outcome.records} == {"sam", "crt", "lws"}
    assert not list(Store(workspace.results).root.rglob("slurm_job"))


def test_a_lost_job_is_submitted_again_and_one_lost_too_often_has_a_failure_record(
    cluster, workspace, jobs_of, listener
):
    jobs = jobs_of(workspace.results, ["ce", "sam"])
    cluster.kills = {"1_0", "2_0", "3_0"}
    outcome = cluster.executor("minutes: 9\n", retries=2).run(jobs, workspace, listener)
    assert cluster.submitted == [["ce", "sam"], ["ce"], ["ce"]]
    assert [event for event, job in listener.events if job == str(jobs[0])].count("lost") == 2
    assert outcome.failures == {str(jobs[0]): "its Slurm job 3_0 ended as FAILED."}
    assert [record.method for record in outcome.records] == ["sam"]
    (failure,) = Store(workspace.results).failures()
    assert failure.method == "ce"


def test_many_jobs_are_several_arrays(cluster, workspace, jobs_of, monkeypatch):
    monkeypatch.setattr(module, "ARRAY", 2)
    jobs = jobs_of(workspace.results, "ce", seeds=range(5))
    numbers = cluster.executor("minutes: 9\n").submit(jobs, workspace)
    assert [len(each) for each in cluster.submitted] == [2, 2, 1]
    assert [numbers[job.fingerprint] for job in jobs] == ["1_0", "1_1", "2_0", "2_1", "3_0"]
    store = Store(workspace.results)
    assert (store.work(jobs[4].fingerprint) / "slurm_job").read_text() == "3_0\n"


def test_the_time_that_is_asked_for_is_the_commands_else_the_profiles_else_twice_the_estimate(
    cluster, workspace, jobs_of, monkeypatch
):
    jobs = jobs_of(workspace.results, ["ce", "sam"])
    cost = {"ce": 600.0, "sam": 1500.0}
    monkeypatch.setattr(
        CostModel, "cost", lambda self, job: SimpleNamespace(seconds=cost[job.trained])
    )
    cluster.executor("minutes: 30\n", time_limit=7200.0).submit(jobs, workspace)
    cluster.executor("minutes: 30\n").submit(jobs, workspace)
    cluster.executor().submit(jobs, workspace)
    assert [each["time"] for each in cluster.parameters] == [120, 30, 60]


def test_a_time_in_which_no_epoch_ends_and_is_saved_is_refused(
    cluster, workspace, jobs_of, monkeypatch
):
    jobs = jobs_of(workspace.results, ["ce", "sam"])
    with pytest.raises(UsageError, match="limit of 60 s leaves nothing before the 60 s in which"):
        cluster.executor("minutes: 1\n").submit(jobs, workspace)
    with pytest.raises(UsageError, match="limit of 300 s leaves nothing before the 600 s"):
        cluster.executor(time_limit=300.0, signal_before=600.0).submit(jobs, workspace)
    seconds = {"ce": 30.0, "sam": 90.0}
    monkeypatch.setattr(deadline, "epoch_seconds", lambda job, store, costs: seconds[job.trained])
    with pytest.raises(LtbenchError, match=r"an epoch of sam on .* takes about 90 s, and of 120 s"):
        cluster.executor("minutes: 2\n").submit(jobs, workspace)
    assert cluster.submitted == []
    assert len(cluster.executor("minutes: 3\n").submit(jobs, workspace)) == 2


def test_an_interruption_cancels_what_is_left_or_leaves_it_to_be_followed(
    cluster, workspace, jobs_of, listener, monkeypatch
):
    jobs = jobs_of(workspace.results, "ce")
    cancelled, looks = [], iter(range(100))

    def interrupted():
        if next(looks) == 2:  # the first two are before and in submitting
            raise KeyboardInterrupt
        return set(cluster.waiting)

    monkeypatch.setattr(module, "cancel", lambda numbers: cancelled.append(list(numbers)))
    follow = module.queued
    for way in ("cancel", "leave"):
        looks = iter(range(100))
        monkeypatch.setattr(module, "queued", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cluster.executor(f"minutes: 9\ninterrupt: {way}\n").run(jobs, workspace, listener)
        assert cancelled == [["1_0"]]  # the first time
    monkeypatch.setattr(module, "queued", lambda: {*cluster.waiting, *follow()})
    executor = cluster.executor("minutes: 9\ninterrupt: leave\n")
    (record,) = executor.run(jobs, workspace, listener).records
    assert record.method == "ce"
    assert cluster.submitted == [["ce"]]  # by the first command


def test_a_cluster_that_refuses_is_one_sentence(cluster, workspace, jobs_of, listener, profile):
    path = profile("partition: nowhere\nminutes: 9\n")
    with pytest.raises(LtbenchError) as caught:
        executor_of(f"slurm:{path}", Options()).run(jobs_of(workspace.results), workspace, listener)
    assert str(caught.value) == (
        "Slurm does not take the jobs (sbatch: error: invalid partition specified); mend the "
        "profile, or give the command on a machine that may submit."
    )


@pytest.fixture
def held(cluster, monkeypatch):
    """The queue of a cluster on which nothing begins yet."""
    monkeypatch.setattr(module, "queued", lambda: set(cluster.waiting))
    return cluster


def test_a_first_stage_that_is_in_the_queue_is_not_submitted_again(held, workspace, jobs_of):
    jobs = jobs_of(workspace.results, ["ce", "crt", "lws"])
    held.executor("minutes: 9\n").submit(jobs[:2], workspace)
    assert held.submitted == [["ce"], ["crt"]]
    held.executor("minutes: 9\n").submit(jobs[2:], workspace)
    assert held.submitted[2:] == [["lws"]]
    assert held.parameters[2]["dependency"] == "afterany:1_0"  # ce's, of the first command


def test_a_training_that_is_others_first_stage_in_the_queue_waits_for_it(held, workspace, jobs_of):
    ce, crt, lws = jobs_of(workspace.results, ["ce", "crt", "lws"])
    held.executor("minutes: 9\n").submit([crt, lws], workspace)
    assert held.submitted == [["crt"], ["crt", "lws"]]  # the first is the first stage alone
    held.executor("minutes: 9\n").submit([ce], workspace)
    assert held.submitted[2:] == [["ce"]]
    assert held.parameters[2]["dependency"] == "afterany:1_0"


def test_a_lost_job_waits_for_its_first_stage_again(held, workspace, jobs_of):
    ce, crt = jobs_of(workspace.results, ["ce", "crt"])
    executor = held.executor("minutes: 9\n")
    executor.submit([ce, crt], workspace)
    executor.submit([crt], workspace)
    assert held.parameters[-1]["dependency"] == "afterany:1_0"


def test_an_interruption_cancels_a_first_stage_too(held, workspace, jobs_of, listener, monkeypatch):
    cancelled, looks = [], iter(range(9))

    def interrupted():
        if next(looks) == 2:
            raise KeyboardInterrupt
        return set(held.waiting)

    monkeypatch.setattr(module, "cancel", cancelled.extend)
    monkeypatch.setattr(module, "queued", interrupted)
    jobs = jobs_of(workspace.results, ["crt", "lws"])
    with pytest.raises(KeyboardInterrupt):
        held.executor("minutes: 9\n").run(jobs, workspace, listener)
    assert sorted(cancelled) == ["1_0", "2_0", "2_1"]


def test_what_is_submitted_before_a_refusal_is_known_to_the_next_command(
    held, workspace, jobs_of, listener, monkeypatch
):
    monkeypatch.setattr(module, "ARRAY", 1)
    jobs = jobs_of(workspace.results, ["ce", "sam"])
    executor, count = held.executor("minutes: 9\n"), iter(range(9))
    usual = executor.submitit.SlurmExecutor.map_array

    def refused(self, work, orders):
        if next(count) == 1:
            raise RuntimeError("QOSMaxSubmitJobPerUserLimit")
        return usual(self, work, orders)

    monkeypatch.setattr(executor.submitit.SlurmExecutor, "map_array", refused)
    with pytest.raises(LtbenchError, match="QOSMaxSubmit"):
        executor.run(jobs, workspace, listener)
    kept = Store(workspace.results).work(jobs[0].fingerprint) / module.ID_FILE
    assert kept.read_text() == "1_0\n"
