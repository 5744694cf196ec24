"""Worker processes: the same bits as in one process, and a death costs one job."""

import json
import multiprocessing
import subprocess
import sys

import pytest
from filelock import FileLock

from ltbench.runs.executors.workers import run_here, run_in_workers
from ltbench.runs.store import Store

pytestmark = pytest.mark.slow


def test_a_worker_that_dies_between_jobs_does_not_end_the_run(workspace, jobs_of, listener):
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
    heard = [report for name, report in listener.reports if name == str(jobs[0])]
    assert [report.epoch for report in heard if report.loss is not None] == [1, 2]


@pytest.mark.parametrize("workers", [0, 1])
def test_what_another_process_is_at_comes_after_the_rest(workspace, jobs_of, listener, workers):
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
