"""Output of Slurm's jobs that does not appear: its node does not share the results folder."""

import pytest

from ltbench.runs.executors import slurm_output as module
from ltbench.runs.executors.slurm_output import Outputs, UnseenError


@pytest.fixture
def clock(monkeypatch):
    """The seconds since the outputs are looked at."""
    seconds = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: seconds[0])
    monkeypatch.setattr(module.time, "sleep", lambda more: seconds.append(seconds.pop() + more))
    return seconds


@pytest.fixture
def outputs(tmp_path, clock, monkeypatch):
    (tmp_path / "logs/slurm").mkdir(parents=True)
    monkeypatch.setattr(module, "running", lambda: {"1_0": "node7", "1_1": "node8"})
    return Outputs(tmp_path)


def opened(outputs, number):
    (outputs.root / "logs/slurm" / f"{number}_0_log.out").touch()


def test_a_job_that_runs_and_shows_no_output_is_named_after_a_while(outputs, clock):
    opened(outputs, "1_1")
    for clock[0] in (1030.0, 1060.0):
        outputs.check(["1_0", "1_1", "2_0"])  # the last is not begun
    clock[0] = 1090.0
    with pytest.raises(UnseenError) as caught:
        outputs.check(["1_0", "1_1", "2_0"])
    assert str(caught.value) == (
        f"node7 took Slurm job 1_0, and its output does not appear in the results folder "
        f"{outputs.root}; put it on a file system that all machines share, or choose another with "
        "--results."
    )


def test_output_that_appears_late_is_well(outputs, clock):
    clock[0] = 1030.0
    outputs.check(["1_0"])
    opened(outputs, "1_0")
    for clock[0] in (1090.0, 1200.0):
        outputs.check(["1_0"])


@pytest.mark.parametrize("node", ["node7", None])
def test_a_job_that_ran_and_left_no_output_is_named_and_one_that_did_not_run_is_not(
    outputs, monkeypatch, node
):
    monkeypatch.setattr(module, "node_that_ran", lambda number: node)
    opened(outputs, "1_1")
    outputs.check_ended("1_1")
    if node is None:
        outputs.check_ended("1_0")
        return
    with pytest.raises(UnseenError, match=r"^node7 took Slurm job 1_0, and its output"):
        outputs.check_ended("1_0")
