"""What Slurm brings beyond the contract; run by `nox -s slurm`, on a real Slurm."""

import re
import subprocess
import threading
import time
from dataclasses import replace

import pytest
from slurm_cluster import cluster

from ltbench.errors import LtbenchError
from ltbench.runs.executors import slurm_output
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.executors.slurm_queue import queued
from ltbench.runs.interruption import interrupted
from ltbench.runs.store import Store
from ltbench.runs.under_way import note_of

LONG = "fast(epochs=40, evaluate_every=40)"
LONGER = "fast(epochs=200, evaluate_every=200)"


def slurm(profile, **options):
    return executor_of(f"slurm:{profile}", Options(("cpu",), **options))


def ask(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def number_of(store, job):
    return (store.work(job.fingerprint) / "slurm_job").read_text().strip()


def once(condition, seconds=300):
    """Wait until something is so."""
    for _ in range(seconds * 5):
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("it did not happen")


@pytest.fixture
def meanwhile():
    """Do something while an executor runs; what it raises is raised at the end."""
    threads, errors = [], []

    def start(function):
        def guarded():
            try:
                function()
            except BaseException as error:
                errors.append(error)

        threads.append(threading.Thread(target=guarded))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()
    assert errors == []


def has_epochs(store, job, at_least=2):
    note = note_of(store, job.fingerprint)
    return note is not None and note.epoch >= at_least


def test_a_training_whose_time_is_over_is_queued_again_and_goes_on(
    slurm_profile, workspace, jobs_of, listener, meanwhile
):
    (job,) = jobs_of(workspace.results, "ce", protocol_name=LONG)
    store, seen = Store(workspace.results), []

    def notice():
        once(lambda: has_epochs(store, job))
        number = number_of(store, job)
        ask("scancel", "--signal=USR2", number)
        once(lambda: "Restarts=1" in ask("scontrol", "show", "job", number))
        once(lambda: "JobState=PENDING" in ask("scontrol", "show", "job", number))
        seen.append(note_of(store, job.fingerprint).epoch)
        ask("scontrol", "update", f"jobid={number}", "StartTime=now")  # Slurm holds it 2 minutes

    meanwhile(notice)
    patient = replace(workspace, checkpoint_every=3600.0)  # only the notice saves
    outcome = slurm(slurm_profile).run([job], patient, listener)
    (record,) = outcome.records
    assert record.last.epoch == 40
    assert seen[0] >= 2
    assert "lost" not in [event for event, _ in listener.events]


def test_a_killed_job_is_known_without_accounting_and_is_tried_again(
    slurm_profile, workspace, jobs_of, listener, meanwhile
):
    jobs = jobs_of(workspace.results, ["ce", "focal"], protocol_name=LONG)
    store = Store(workspace.results)

    def kill():
        once(lambda: has_epochs(store, jobs[0]))
        ask("scancel", "--signal=KILL", number_of(store, jobs[0]))

    meanwhile(kill)
    often = replace(workspace, checkpoint_every=0.0)
    outcome = slurm(slurm_profile).run(jobs, often, listener)
    assert outcome.failures == {}
    assert {record.method for record in outcome.records} == {"ce", "focal"}
    assert [job for event, job in listener.events if event == "lost"] == [str(jobs[0])]
    assert re.search("ended as (FAILED|CANCELLED) on", listener.reasons[str(jobs[0])])


def test_a_shared_first_stage_is_a_job_that_the_others_wait_for(
    slurm_profile, workspace, jobs_of, listener, meanwhile
):
    crt, lws = jobs_of(workspace.results, ["crt", "lws"])
    store, waiting = Store(workspace.results), []

    def look():
        once((store.work(lws.fingerprint) / "slurm_job").exists)
        for job in (crt, lws):
            waiting.append("Dependency=afterany" in ask("scontrol", "show", "job",
                                                        number_of(store, job)))  # fmt: skip

    meanwhile(look)
    outcome = slurm(slurm_profile).run([crt, lws], workspace, listener)
    assert {record.method for record in outcome.records} == {"crt", "lws"}
    assert waiting == [True, True]
    first = crt.first_stage.fingerprint
    assert first == lws.first_stage.fingerprint
    assert store.checkpoint_path(first).exists()
    assert not list(store.root.rglob("*.failed.json"))


@pytest.mark.parametrize("way", ["cancel", "leave"])
def test_an_interruption_cancels_jobs_or_leaves_them_as_asked(
    slurm_profile, workspace, jobs_of, listener, tmp_path, way
):
    profile = tmp_path / "profile.yaml"
    profile.write_text(f"{slurm_profile.read_text()}interrupt: {way}\n")
    (job,) = jobs_of(workspace.results, "ce", protocol_name=LONGER)
    store = Store(workspace.results)

    def interrupt(job, report):
        if report.epoch >= 2:
            raise KeyboardInterrupt

    report, listener.report = listener.report, interrupt
    with pytest.raises(KeyboardInterrupt):
        slurm(profile).run([job], workspace, listener)
    number = number_of(store, job)
    assert (number in queued()) == (way == "leave")
    if way == "cancel":
        assert len(interrupted(store, set(job.cells))) == 1
    listener.report = report
    (record,) = slurm(profile).run([job], workspace, listener).records
    assert record.last.epoch == 200
    if way == "leave":  # the same job was followed
        assert f"JobId={number} " in ask("scontrol", "show", "job", number)
        once(lambda: not queued())  # and no other was submitted


def test_a_cluster_that_refuses_is_one_sentence(slurm_profile, workspace, jobs_of, listener,
                                                tmp_path):  # fmt: skip
    profile = tmp_path / "profile.yaml"
    profile.write_text("partition: nowhere\ngpus: 0\n")
    with pytest.raises(LtbenchError, match=r"Slurm does not take the jobs .*[Ii]nvalid partition"):
        slurm(profile).run(jobs_of(workspace.results), workspace, listener)


@pytest.mark.parametrize("mount", ["mount -t tmpfs none {0}", "mount --bind -o ro {0} {0}"])
def test_a_node_that_does_not_share_the_results_is_one_sentence(
    workspace, jobs_of, listener, tmp_path, monkeypatch, mount
):
    monkeypatch.setattr(slurm_output, "SECONDS_BETWEEN", 1.0)
    monkeypatch.setattr(slurm_output, "SECONDS_TO_SHOW", 2.0)
    workspace.results.mkdir(parents=True, exist_ok=True)
    profile = tmp_path / "profile.yaml"
    profile.write_text("partition: main\ngpus: 0\ncpus: 1\nminutes: 10\n")
    jobs = jobs_of(workspace.results, ["ce", "focal"])
    with cluster(tmp_path / "cluster", mount.format(workspace.results)):
        with pytest.raises(LtbenchError, match=r"took Slurm job .* does not appear in the results"):
            slurm(profile).run(jobs, workspace, listener)
        once(lambda: not queued())
    assert "lost" not in [event for event, _ in listener.events]


def test_a_thousand_cells_are_submitted_within_ten_seconds(slurm_profile, workspace, jobs_of):
    jobs = jobs_of(workspace.results, ["ce", "focal"], seeds=range(500))
    executor = slurm(slurm_profile)
    ask("scontrol", "update", "PartitionName=main", "State=DOWN")  # none is begun
    try:
        started = time.perf_counter()
        numbers = executor.submit(jobs, workspace)
        seconds = time.perf_counter() - started
        assert len(numbers) == 1000
        assert set(numbers.values()) <= queued()
    finally:
        ask("scancel", "--user=root")
        ask("scontrol", "update", "PartitionName=main", "State=UP")
    print(f"1,000 cells submitted in {seconds:.1f} s")
    assert seconds < 10
