"""Start runs and kill them with SIGKILL; a script of its own, so that children can be forked.

Importing torch and taking a first step takes seconds, so this process does both once, in its only
thread, and forks a child for every attempt at a run.

    python kill_driver.py FOLDER     leaves FOLDER/whole, FOLDER/random and FOLDER/step0, step1 …,
                                     forced0, forced1 …
                                     and prints what was done as JSON
"""

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

import torch

from ltbench.data.catalog import dataset
from ltbench.runs.execute import run_job
from ltbench.runs.plan import Job, make
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

MANY = int(os.environ.get("LTBENCH_ATTACKS", "1")) > 1  # as `nox -s attack` asks for
KILLS, EPOCHS = (92, 120) if MANY else (22, 30)
LONG = f"fast(epochs={EPOCHS}, evaluate_every=1, fraction=0.5)"
SHORT = "smoke(fraction=0.1)" if not MANY else "fast(epochs=65, warmup_epochs=1, fraction=0.05)"
REPLACED = "smoke(fraction=0.1)" if not MANY else "fast(epochs=8, warmup_epochs=1, fraction=0.05)"
METHODS = ["ldam_drw+sam", "ldam_drw+sam+posthoc_logit_adjustment"]  # share one training
FILE_EVENTS = {"open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate"}


def job_of(results: Path, protocol: str) -> tuple[Job, Workspace]:
    """Return the job of a folder, finished or not; it writes a checkpoint after every epoch."""
    (job,) = make(
        [dataset("digits_lt")], METHODS, [0], Store(results), protocol_name=protocol, force=True
    ).jobs
    job = replace(job, anew=False)
    return job, Workspace(results, results.parent / "data", "cpu", checkpoint_every=0.0)


def attempt(results: Path, protocol: str, kill_at: int | None = None, *, anew: bool = False) -> int:
    """Fork a child that runs the job, and return its process number.

    With `kill_at` it kills itself before that many changes to files of the folder.
    """
    job, workspace = job_of(results, protocol)
    job = replace(job, anew=anew)
    child = os.fork()
    if child:
        return child
    try:
        if kill_at is not None:
            _kill_before_change(kill_at, str(results))
        run_job(job, workspace, lambda report: None)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def was_killed(child: int) -> bool:
    """Wait for a child; returns whether SIGKILL ended it, and raises if anything else did."""
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return True
    if status != 0:
        raise RuntimeError(f"an attempt ended with status {status}")
    return False


def kill_at_random(results: Path, epoch_seconds: float) -> tuple[int, int]:
    """Kill a long run at random moments until it is killed often enough, then let it end.

    Returns the kills and the number of epochs that were whole at each.
    """
    dice, kills, progress = random.Random(0), 0, []
    job, workspace = job_of(results, LONG)
    checkpoint = Store(workspace.results).work(job.fingerprint) / "checkpoint.pt"
    while kills < KILLS:
        child = attempt(results, LONG)
        # At most two epochs further, so that the run outlives its kills; at times none.
        for _ in range(dice.choice((0, 0, 1))):
            _wait_for_change(checkpoint, child)
        time.sleep(dice.uniform(0, 1.2 * epoch_seconds))
        os.kill(child, signal.SIGKILL)
        if not was_killed(child):
            break
        kills += 1
        progress.append(_stamp(checkpoint))
    if was_killed(attempt(results, LONG)):
        raise RuntimeError("the last attempt was killed")
    return kills, len(set(progress))


def kill_before_every_change(folder: Path) -> int:
    """Kill a short run before its first, second … change to a file, each time then let it end.

    Returns how many changes there are.
    """
    for number in range(1000):
        results = folder / f"step{number}"
        if not was_killed(attempt(results, SHORT, kill_at=number)):
            return number
        if was_killed(attempt(results, SHORT)):
            raise RuntimeError("the second attempt was killed")
    raise RuntimeError("the run never ends")


def kill_a_forced_run_before_every_change(folder: Path) -> int:
    """Kill a run that replaces a finished one, as above; what it leaves is the test's to read."""
    for number in range(1000):
        results = folder / f"forced{number}"
        shutil.copytree(folder / "replaced", results)
        if not was_killed(attempt(results, REPLACED, kill_at=number, anew=True)):
            return number
    raise RuntimeError("the run never ends")


def _kill_before_change(number: int, folder: str) -> None:
    left = number

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in FILE_EVENTS or not str(arguments[0]).startswith(folder):
            return
        if event == "open" and not (isinstance(arguments[2], int) and arguments[2] & os.O_CREAT):
            return  # only read
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    sys.addaudithook(hook)


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.exists() else 0


def _wait_for_change(path: Path, child: int) -> None:
    before, started = _stamp(path), time.monotonic()
    while _stamp(path) == before and time.monotonic() - started < 20:
        time.sleep(0.002)


def main() -> None:
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    for name, protocol in (("short", SHORT), ("replaced", REPLACED), ("whole", LONG)):
        started = time.monotonic()
        run_job(*job_of(folder / name, protocol), lambda report: None)
    kills, moments = kill_at_random(folder / "random", (time.monotonic() - started) / EPOCHS)
    changes = kill_before_every_change(folder)
    forced = kill_a_forced_run_before_every_change(folder)
    counts = {"kills": kills, "moments": moments, "changes": changes, "forced": forced}
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
