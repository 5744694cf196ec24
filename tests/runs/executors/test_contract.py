"""What every executor holds to; `LTBENCH_EXECUTORS` names more than the local one."""

import os
from dataclasses import replace
from importlib import import_module
from importlib.metadata import EntryPoint

import pytest

from ltbench.engine.checkpoint import Checkpoint
from ltbench.errors import LtbenchError, UsageError
from ltbench.registry.methods import load_file
from ltbench.runs.executors import interface
from ltbench.runs.executors.interface import Options, executor_of
from ltbench.runs.executors.local import Local
from ltbench.runs.executors.workers import run_here
from ltbench.runs.files import write_file
from ltbench.runs.store import Cell, Store

EXECUTORS = os.environ.get("LTBENCH_EXECUTORS", "local").split(",")
SIX = "fast(epochs=6, evaluate_every=6)"

# Dies by SIGKILL when the second epoch is whole, as often as FILE has bytes, and tells each epoch.
KILLS_ITSELF = """
def after_epoch(self, network, data, clock):
    folder = Path(os.environ["LTBENCH_TEST_FOLDER"])
    with (folder / "epochs").open("a") as told:
        told.write(f"{clock.epoch}\\n")
    lives = folder / "deaths"
    if clock.epoch == 2 and lives.stat().st_size:
        lives.write_text(lives.read_text()[1:])
        os.kill(os.getpid(), 9)
"""
ERRS = """
def penalty(self, network, clock):
    return 1 / 0
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LTBENCH_TEST_FOLDER", str(tmp_path))
    return tmp_path


@pytest.fixture(params=EXECUTORS)
def executor(request):
    name = request.param
    if name == "slurm":
        name = f"slurm:{request.getfixturevalue('slurm_profile')}"
    if name == "ray":  # before what `method_file` forgets after a test
        import_module("ray")
        import_module("psutil")  # Ray's own

    def make(*loaded, retries=2):
        return executor_of(name, Options(("cpu", "cpu"), tuple(loaded), retries))

    return make


def kinds(store):
    """The cells that have a record, and those that have a failure record."""
    found = {Cell.of(record).method for record in store.records()}
    assert not store.problems
    return found, {Cell.of(failure).method for failure in store.failures()}


@pytest.mark.slow
def test_every_cell_ends_in_a_record_or_a_failure_record(
    executor, workspace, jobs_of, method_file, listener, lasting
):
    errs = method_file("errs", ERRS)
    load_file(errs)
    jobs = jobs_of(workspace.results, ["ce", "errs", "crt", "ce+posthoc_logit_adjustment", "sam"])
    outcome = executor(errs).run(jobs, workspace, listener)
    recorded, failed = kinds(Store(workspace.results))
    assert recorded == {"ce", "crt", "ce+posthoc_logit_adjustment", "sam"}
    assert failed == {"errs"}
    (reason,) = outcome.failures.values()
    assert reason.startswith("ZeroDivisionError: division by zero")
    assert {record.method for record in outcome.records} == recorded

    ended = [job for event, job in listener.events if event in ("finished", "failed")]
    assert sorted(ended) == sorted(map(str, jobs))
    alone = replace(workspace, results=workspace.results.parent / "alone")
    again = run_here([job for job in jobs if job.trained != "errs"], alone, listener, debug=False)
    expected = {record.method: lasting(record) for record in again.records}
    assert {record.method: lasting(record) for record in outcome.records} == expected
    for job in (job for job in jobs if job.trained != "errs"):
        here, there = (
            Checkpoint(Store(where).work(job.fingerprint) / "checkpoint.pt", write_file).load()
            for where in (alone.results, workspace.results)
        )
        assert all(there["network"][name].equal(each) for name, each in here["network"].items())
    left = [path for path in workspace.results.rglob("*") if path.is_file()]
    kinds_left = {path.suffix for path in left if workspace.results / "logs" not in path.parents}
    assert kinds_left <= {".json", ".csv", ".npz", ".pt", ""}  # the last are locks


@pytest.mark.slow
def test_a_lost_worker_costs_its_job_only_and_the_job_goes_on_from_its_checkpoint(
    request, executor, workspace, jobs_of, method_file, listener, folder
):
    mine = method_file("mine", KILLS_ITSELF)
    load_file(mine)
    (folder / "deaths").write_text("xx")
    jobs = jobs_of(workspace.results, ["mine", "ce"], protocol_name=SIX)
    often = replace(workspace, checkpoint_every=0.0)
    outcome = executor(mine, retries=2).run(jobs, often, listener)
    assert outcome.failures == {}
    assert {record.method for record in outcome.records} == {"mine", "ce"}
    assert kinds(Store(workspace.results)) == ({"mine", "ce"}, set())
    assert [job for event, job in listener.events if event == "lost"] == [str(jobs[0])] * 2
    epochs = [int(line) for line in (folder / "epochs").read_text().split()]
    # Slurm is told how long it takes: steps are timed beforehand, in the second of two epochs.
    timed = [0] if request.node.callspec.params["executor"] == "slurm" else []
    assert epochs == [*timed, 0, 1, 2, 2, 2, 3, 4, 5]  # epoch 2 dies before it is saved


@pytest.mark.slow
def test_a_job_whose_worker_is_lost_too_often_has_a_failure_record(
    request, executor, workspace, jobs_of, method_file, listener, folder
):
    mine = method_file("mine", KILLS_ITSELF)
    load_file(mine)
    (folder / "deaths").write_text("x" * 9)
    jobs = jobs_of(workspace.results, ["mine", "ce"], protocol_name=SIX)
    outcome = executor(mine, retries=1).run(jobs, workspace, listener)
    assert list(outcome.failures) == [str(jobs[0])]
    if request.node.callspec.params["executor"] == "local":
        assert "killed by signal 9, perhaps for memory" in outcome.failures[str(jobs[0])]
    assert kinds(Store(workspace.results)) == ({"ce"}, {"mine"})
    assert [event for event, job in listener.events if job == str(jobs[0])].count("lost") == 1
    assert len((folder / "deaths").read_text()) == 7  # two tries


def test_an_unknown_executor_names_those_that_there_are():
    with pytest.raises(UsageError, match="unknown executor 'loca'; did you mean local"):
        executor_of("loca", Options())
    with pytest.raises(UsageError, match="write local alone"):
        executor_of("local:4", Options())


def test_another_package_brings_an_executor(monkeypatch):
    offered = [
        EntryPoint("theirs", "ltbench.runs.executors.local:Local", interface.GROUP),
        EntryPoint("broken", "no_such_module:Thing", interface.GROUP),
    ]
    monkeypatch.setattr(interface, "entry_points", lambda group: offered)
    assert isinstance(executor_of("theirs", Options(retries=5)), Local)
    with pytest.raises(LtbenchError, match="executor broken of another package does not import"):
        executor_of("broken:argument", Options())
