"""What Slurm says of jobs, by `squeue` and `scontrol`; no accounting is needed."""

import subprocess
import time
from collections.abc import Iterable

from ltbench.errors import LtbenchError

SECONDS_BETWEEN = 2.0  # two looks at the queue


def queued() -> set[str]:
    """Return the numbers of this user's jobs that wait or run."""
    said = _ask("squeue", "--me", "--noheader", "--array", "--format=%i")
    return set(said.split())


def end_of(number: str) -> str:
    """Return in words how a job ended that is not in the queue."""
    try:
        said = _ask("scontrol", "--oneliner", "show", "job", number)
    except LtbenchError:
        return f"its Slurm job {number} is gone."
    facts = dict(word.split("=", 1) for word in said.split() if "=" in word)
    state, code = facts.get("JobState", "gone"), facts.get("ExitCode", "?")
    node = f" on {facts['NodeList']}" if facts.get("NodeList", "(null)") != "(null)" else ""
    return (
        f"its Slurm job {number} ended as {state}{node} (exit code {code}); its last "
        f"words are in logs/slurm/{number}_0_log.err."
    )


def cancel(numbers: Iterable[str]) -> None:
    """Cancel jobs, which save, and wait until none is left."""
    mine = set(numbers)
    if mine:
        _ask("scancel", *sorted(mine))
    while mine & queued():
        time.sleep(SECONDS_BETWEEN)


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        raise LtbenchError(
            f"Slurm does not answer ({command[0]} takes over two minutes); give the command again "
            "once it does."
        ) from None
    except OSError:
        raise LtbenchError(
            f"{command[0]} is not found; --executor slurm works where Slurm's commands do."
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1].rstrip(".")
        raise LtbenchError(
            f"Slurm does not answer ({said}); give the command where {command[0]} works."
        )
    return done.stdout
