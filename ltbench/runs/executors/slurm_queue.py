"""The state of jobs in Slurm, by `squeue` and `scontrol`; no accounting is needed."""

import os
import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress

from ltbench.errors import LtbenchError

SECONDS_BETWEEN = 2.0  # two readings of the queue
QUESTIONS = 5  # to `squeue`, whose controller may be busy, before the command gives up
SECONDS_TO_RECOVER = 10.0  # between two of them


class NoAnswerError(LtbenchError):
    """Slurm's controller does not answer a command, perhaps for a moment."""


def queued() -> set[str]:
    """Return the numbers of this user's jobs that wait or run.

    Asks several times; raises LtbenchError where Slurm answers none of them.
    """
    for _ in range(QUESTIONS - 1):
        with suppress(NoAnswerError):
            return _queued()
        time.sleep(SECONDS_TO_RECOVER)
    try:
        return _queued()
    except NoAnswerError as error:
        raise LtbenchError(f"asked {QUESTIONS} times, {error}") from None


def _queued() -> set[str]:
    return set(_ask("squeue", "--me", "--noheader", "--array", "--format=%i").split())


def running() -> dict[str, str]:
    """Return the nodes of this user's jobs that run, by number; none where nobody answers."""
    try:
        lines = _ask(
            "squeue", "--me", "--noheader", "--array", "--states=RUNNING", "--format=%i %N"
        )
    except NoAnswerError:  # it is asked again
        return {}
    return dict(line.split(None, 1) for line in lines.splitlines() if len(line.split()) > 1)


def end_of(number: str) -> str:
    """Return in words how a job ended that is not in the queue."""
    facts = _facts(number)
    if not facts:
        return f"its Slurm job {number} is gone."
    state, code = facts.get("JobState", "gone"), facts.get("ExitCode", "?")
    node = f" on {facts['NodeList']}" if facts.get("NodeList", "(null)") != "(null)" else ""
    return (
        f"its Slurm job {number} ended as {state}{node} (exit code {code}); its last "
        f"words are in logs/slurm/{number}_0_log.err."
    )


def node_that_ran(number: str) -> str | None:
    """Return the node that began a job which is over by itself; None of one that was cancelled."""
    facts = _facts(number)
    by_itself = facts.get("JobState") in ("COMPLETED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY")
    node = facts.get("NodeList", "(null)")
    return node if by_itself and node != "(null)" else None


def _facts(number: str) -> dict[str, str]:
    """Return what Slurm still knows of a job."""
    try:
        output = _ask("scontrol", "--oneliner", "show", "job", number)
    except LtbenchError:
        return {}
    return dict(word.split("=", 1) for word in output.split() if "=" in word)


def cancel(numbers: Iterable[str]) -> None:
    """Cancel jobs, which save, and wait until none is left."""
    mine = set(numbers)
    if mine:
        _ask("scancel", *sorted(mine))
    while mine & queued():
        time.sleep(SECONDS_BETWEEN)


def own_number() -> str:
    """Return the number of the job of Slurm that this process is."""
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    return f"{array}_{os.environ['SLURM_ARRAY_TASK_ID']}" if array else os.environ["SLURM_JOB_ID"]


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        raise NoAnswerError(
            f"Slurm does not answer ({command[0]} takes over two minutes); give the command again "
            "once it does."
        ) from None
    except OSError:
        raise LtbenchError(
            f"{command[0]} is not found; --executor slurm works where Slurm's commands do."
        ) from None
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["nothing"])[-1].rstrip(".")
        raise NoAnswerError(
            f"Slurm does not answer ({reason}); give the command where {command[0]} works."
        )
    return done.stdout
