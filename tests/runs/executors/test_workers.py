"""Worker processes: the same bits as in one process, and a death costs one job."""

import json
import multiprocessing
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from filelock import FileLock

from ltbench.engine.checkpoint import Checkpoint
from ltbench.registry.methods import load_file
from ltbench.runs.executors.workers import run_here, run_in_workers
from ltbench.runs.files import write_file
from ltbench.runs.store import Store

pytestmark = pytest.mark.slow

DIES = """
def losses(self, outputs, batch, clock):
    if clock.epoch == 1:
        os._exit(9)
    return super().losses(outputs, batch, clock)
"""


@pytest.fixture
def two_cores(monkeypatch):
    """Workers share the machine's cores; with two of each, every worker has one thread."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


KILLED = """
def losses(self, outputs, batch, clock):
    os.kill(os.getpid(), 9)
"""

ERRS = """
def penalty(self, network, clock):
    return 1 / 0
"""


def test_two_workers_give_the_bits_of_one_process_and_a_death_costs_one_job(
    workspace, jobs_of, method_file, listener, lasting, two_cores
):
    mine = [method_file("dies", DIES), method_file("errs", ERRS)]
    for path in mine:
        load_file(path)
    dies, errs, ce, composed = jobs_of(
        workspace.results, ["dies", "errs", "ce", "ldam_drw+sam"], protocol_name="fast(epochs=3)"
    )
    outcome = run_in_workers([dies, ce, errs, composed], workspace, listener, ["cpu", "cpu"], mine)

    assert outcome.failures[str(dies)] == "its process ended with exit code 9."
    assert outcome.failures[str(errs)].startswith("ZeroDivisionError: division by zero")
    assert len(outcome.failures) == 2
    failures = {failure.method: failure.error for failure in Store(workspace.results).failures()}
    assert failures.keys() == {"dies", "errs"}  # the worker that died wrote none itself
    assert failures["dies"] == outcome.failures[str(dies)]
    assert "ZeroDivisionError" in failures["errs"]
    assert sorted(event for event, _ in listener.events) == sorted(
        ["started"] * 4 + ["failed"] * 2 + ["finished"] * 2
    )
    for job in (ce, composed):
        heard = [report for name, report in listener.reports if name == str(job)]
        assert [report.epoch for report in heard if report.loss is not None] == [1, 2, 3]

    here = replace(workspace, results=workspace.results.parent / "here")
    alone = run_here([ce, composed], here, listener, debug=False)
    in_workers = {record.method: record for record in outcome.records}
    assert len(in_workers) == len(alone.records) == 2
    for job, record in zip([ce, composed], alone.records, strict=True):
        assert lasting(in_workers[record.method]) == lasting(record)
        one, two = (
            Checkpoint(Store(where).work(job.fingerprint) / "checkpoint.pt", write_file).load()
            for where in (workspace.results, here.results)
        )
        for name, weights in one["network"].items():
            assert weights.equal(two["network"][name])
    assert not list(workspace.results.rglob("*.tmp"))


def test_a_worker_that_is_killed_says_so(workspace, jobs_of, method_file, listener, two_cores):
    path = method_file("killed", KILLED)
    load_file(path)
    outcome = run_in_workers(
        jobs_of(workspace.results, "killed"), workspace, listener, ["cpu", "cpu"], [path]
    )
    (reason,) = outcome.failures.values()
    assert reason == "its process was killed by signal 9, perhaps for memory."


def test_a_worker_that_dies_between_jobs_does_not_end_the_run(
    workspace, jobs_of, listener, two_cores
):
    jobs = jobs_of(workspace.results, ["ce", "focal"])
    finished = listener.finished

    def kill_the_idle(job, records):
        finished(job, records)
        if job is jobs[0]:
            (worker,) = multiprocessing.active_children()
            worker.kill()
            worker.join()

    listener.finished = kill_the_idle
    outcome = run_in_workers(jobs, workspace, listener, ["cpu"], [])
    assert "ce" in [record.method for record in outcome.records]
    assert len(outcome.records) + len(outcome.failures) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_what_another_process_is_at_comes_after_the_rest(
    workspace, jobs_of, listener, two_cores, workers
):
    jobs = jobs_of(workspace.results, ["ce", "focal", "sam"])
    folder = Store(workspace.results).work(jobs[0].fingerprint)
    folder.mkdir(parents=True)
    lock = FileLock(folder / "lock")
    with lock:
        finish = listener.finished

        def let_go(job, records):
            finish(job, records)
            if job == jobs[2]:
                lock.release()

        listener.finished = let_go
        if workers:
            outcome = run_in_workers(jobs, workspace, listener, ["cpu"] * workers, [])
        else:
            outcome = run_here(jobs, workspace, listener, debug=False)
    assert [record.method for record in outcome.records] == ["focal", "sam", "ce"]
    first, *_ = map(str, jobs)
    heard = [event for event, job in listener.events if job == first]
    assert heard == ["started", "postponed", "started", "finished"]
    assert outcome.failures == {}
    assert not list(workspace.results.rglob("*.failed.json"))


def test_two_processes_started_at_once_on_one_cell_train_it_once(results):
    call = [
        sys.executable, "-c", "from ltbench.cli import main; main()", "run", "--methods",
        "ldam_drw+sam", "--dataset", "digits_lt", "--protocol", "fast(epochs=12)", "--seeds", "1",
        "--results", str(results), "--json",
    ]  # fmt: skip
    both = [
        subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    events = [[json.loads(line) for line in out.splitlines()] for out, _ in said]
    epochs = [sum(event["event"] == "epoch" for event in heard) for heard in events]
    assert sorted(epochs) == [0, 12]
    names = sorted(path.name for path in results.rglob("*") if path.is_file())
    assert names == ["checkpoint.pt", "lock", "logits.npz", "seed0.csv", "seed0.json"]
    store = Store(results)
    (record,) = store.records()
    assert not store.problems
    told = [event["records"] for heard in events for event in heard if event["event"] == "finished"]
    assert all(len(records) == 1 for records in told)
    assert all(records[0]["last"]["top1"] == record.last.top1 for records in told)
