"""What Slurm's commands say, read; none of them is needed here."""

import subprocess
from types import SimpleNamespace

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.executors import slurm_queue
from ltbench.runs.executors.slurm_queue import cancel, end_of, queued


def answers(monkeypatch, said, code=0, wrong=""):
    done = SimpleNamespace(stdout=said, returncode=code, stderr=wrong)
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: done)


def test_what_slurm_says_of_jobs_is_read(monkeypatch):
    answers(monkeypatch, "12_0\n12_3\n14\n")
    assert queued() == {"12_0", "12_3", "14"}
    said = "JobId=15 ArrayJobId=12 JobState=FAILED Reason=None ExitCode=0:9 NodeList=node7 Power="
    answers(monkeypatch, said)
    assert end_of("12_3") == (
        "its Slurm job 12_3 ended as FAILED on node7 (exit code 0:9); its last words are in "
        "logs/slurm/12_3_0_log.err."
    )
    answers(monkeypatch, "", 1, "slurm_load_jobs error: Invalid job id specified\n")
    assert end_of("12_3") == "its Slurm job 12_3 is gone."
    answers(monkeypatch, "", 1, "squeue: error: unknown host\nsqueue: fatal: no configuration.\n")
    monkeypatch.setattr(slurm_queue, "SECONDS_TO_RECOVER", 0.0)
    with pytest.raises(LtbenchError) as caught:
        queued()
    assert str(caught.value) == (
        "asked 5 times, Slurm does not answer (squeue: fatal: no configuration); "
        "give the command where squeue works."
    )


def test_a_queue_that_answers_again_ends_nothing(monkeypatch):
    codes = [1, 1, 1, 1, 0]

    def run(command, **options):
        return SimpleNamespace(stdout="7\n", returncode=codes.pop(0), stderr="timed out\n")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(slurm_queue, "SECONDS_TO_RECOVER", 0.0)
    assert queued() == {"7"}
    assert codes == []


def test_a_machine_without_slurm_says_so(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(LtbenchError, match="squeue is not found; --executor slurm works where"):
        slurm_queue.queued()


@pytest.fixture
def asked(monkeypatch):
    """What is asked of Slurm's commands; `squeue` says the next line each time."""
    found = SimpleNamespace(commands=[], queue=[])

    def run(command, **options):
        found.commands.append(command)
        said = found.queue.pop(0) if command[0] == "squeue" else ""
        return SimpleNamespace(stdout=said, returncode=0, stderr="")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(slurm_queue, "SECONDS_BETWEEN", 0.0)
    return found


def test_cancelled_jobs_are_waited_for_until_none_is_in_the_queue(asked):
    asked.queue = ["7_0\n9\n", "7_0\n", "12\n"]
    cancel(["9", "7_0"])
    assert asked.commands[0] == ("scancel", "7_0", "9")
    assert asked.queue == []


def test_nothing_to_cancel_cancels_nothing(asked):
    asked.queue = ["12\n"]
    cancel([])
    assert [command[0] for command in asked.commands] == ["squeue"]
