"""A command of torchrun's processes: one plan, one record a cell, as one process makes them."""

import signal
import subprocess
import sys
import time

import pytest

import ltbench
from ltbench.errors import UsageError
from ltbench.runs import together
from ltbench.runs.store import Cell, Store
from ltbench.runs.together import check_joint, processes
from ltbench.runs.under_way import under_way

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
WHERE = ["--dataset", "digits_lt", "--seed", "0", "--device", "cpu"]


def command(results, methods, protocol="smoke"):
    """The command line of a run by two processes."""
    run = ["-m", "ltbench", "run", "--methods", methods, "--protocol", protocol]
    return [*TORCHRUN, *run, *WHERE, "--results", str(results)]


def records_by_one(results, methods):
    """The records of a run by this process, by method."""
    ltbench.run(
        methods, "digits_lt", seeds=[0], protocol="smoke", device="cpu", results=results,
        quiet=True,
    )  # fmt: skip
    return {record.method: record for record in Store(results).records()}


def check_record(record, one):
    """Hold a record of two processes against that of one: the same but for rounding and time."""
    assert record.environment.processes == 2
    assert one.environment.processes == 1
    assert record.fingerprint == one.fingerprint
    assert record.last.top1 == one.last.top1
    assert record.last.correct == one.last.correct
    assert record.last.calibration_error == pytest.approx(one.last.calibration_error, abs=0.01)
    assert record.cost.steps == one.cost.steps
    assert record.cost.joules is None


@pytest.mark.slow
def test_a_plan_fills_its_cells_as_one_process_does_and_a_failure_costs_its_cell_alone(tmp_path):
    """The second method's loss is no number; the last takes up the first one's training."""
    done = subprocess.run(
        command(tmp_path / "two", "ce,sam(rho=1e38),crt"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = {record.method: record for record in Store(tmp_path / "two").records()}
    assert found.keys() == {"ce", "crt"}, done.stderr
    assert "1 of 3 trainings failed (sam(rho=1e+38)" in done.stderr
    assert "the loss is not finite" in done.stdout + done.stderr
    assert done.stdout.count("smoke\n") == 1  # one table of results
    one = records_by_one(tmp_path / "one", "ce,crt")
    for method, record in found.items():
        check_record(record, one[method])
    assert found["crt"].first_stage is not None


@pytest.mark.slow
def test_one_that_is_ended_saves_and_the_same_command_goes_on(tmp_path):
    protocol, results = "smoke(epochs=80)", tmp_path / "two"
    with subprocess.Popen(
        command(results, "ldam_drw+sam", protocol), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 240
        # Of the second epoch: the first may be noted and not yet kept.
        while not any(note.epoch > 1 for note, _ in under_way(Store(results))):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        process.communicate()
    ((note, held),) = under_way(Store(results))
    assert 0 < note.epoch < 80
    assert not held
    (saved,) = (results / "work").glob("*/checkpoint.pt")
    assert saved.stat().st_size > 0
    done = subprocess.run(
        command(results, "ldam_drw+sam", protocol), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (record,) = Store(results).records()
    assert record.environment.processes == 2
    assert record.last.epoch == 80
    assert len(Store(results).curves_path(Cell.of(record)).read_text().splitlines()) == 81
    assert not any(under_way(Store(results)))


def test_a_command_of_its_own_is_one_process():
    assert processes() == 1
    check_joint("slurm", ["cuda:0", "cuda:1"], True)


@pytest.mark.parametrize(
    ("executor", "places", "foreign", "why"),
    [
        ("slurm", ["auto"], False, "leave out --executor, --jobs, --gpus"),
        ("local", ["cpu", "cpu"], False, "leave out --executor, --jobs, --gpus"),
        ("local", ["cuda:1"], False, "numbers of devices"),
        ("local", ["cpu"], True, "not ltbench's own trains in a process of its own"),
    ],
)
def test_what_several_processes_cannot_do_is_refused(monkeypatch, executor, places, foreign, why):
    monkeypatch.setattr(together, "processes", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=why):
        check_joint(executor, places, foreign)


def test_more_processes_than_gpus_are_refused_on_gpus_alone(monkeypatch):
    monkeypatch.setattr(together, "processes", lambda: 2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    check_joint("local", ["cpu"], False)
    monkeypatch.setattr(together, "device_of", lambda name: together.torch.device("cuda"))
    monkeypatch.setattr(together.torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match="started 2 processes and there are GPUs for 1"):
        check_joint("local", ["auto"], False)
