"""A time limit: until when a command may train, and which trainings it still begins."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.executors.devices import costs_on
from ltbench.runs.executors.interface import Options
from ltbench.runs.plan import Job
from ltbench.runs.recorded_cost import Costs
from ltbench.runs.store import Store
from ltbench.runs.under_way import note_of
from ltbench.runs.workspace import Workspace


@dataclass(frozen=True)
class Deadline:
    """A moment, of `time.monotonic`, at which every training saves."""

    at: float
    epoch_seconds: Callable[[Job], float | None]

    @classmethod
    def of(cls, options: Options, workspace: Workspace, device: str | None) -> "Deadline | None":
        """Return the deadline of a command with a time limit: when trainings are to save.

        `device` is what they are on, None if that is not known. Raises UsageError where they would
        have to save before they begin.
        """
        if options.time_limit is None:
            return None
        seconds = before_saving(options.time_limit, options)
        return cls(options.begun + seconds, epochs_timed(workspace, device))

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.at - time.monotonic()

    def allows(self, job: Job) -> bool:
        """Return whether an epoch of a job ends in time: what it saves are whole epochs."""
        return self.left > (self.epoch_seconds(job) or 0.0)


def before_saving(limit: float, options: Options) -> float:
    """Return the seconds of a limit in which to train; raises UsageError where there are none."""
    if limit <= options.signal_before:
        raise UsageError(
            f"a time limit of {limit:g} s leaves nothing before the "
            f"{options.signal_before:g} s in which trainings save; give a longer "
            "--time-limit (or `minutes` of a Slurm profile), or less with --signal-before."
        )
    return limit - options.signal_before


def check_epochs(
    jobs: Iterable[Job],
    limit: float,
    options: Options,
    epoch_seconds: Callable[[Job], float | None],
) -> None:
    """Raise LtbenchError where an epoch of a job does not end before it saves, of some seconds."""
    seconds = before_saving(limit, options)
    for job in jobs:
        needed = epoch_seconds(job) or 0.0
        if needed > seconds:
            raise LtbenchError(
                f"an epoch of {job} takes about {needed:.0f} s, and of {limit:g} s of a job "
                f"{options.signal_before:g} s are for saving; give a longer --time-limit, or the "
                "profile more minutes."
            )


def epochs_timed(workspace: Workspace, device: str | None) -> Callable[[Job], float | None]:
    """Return a function that gives the seconds of a job's epoch, None where they are not known."""
    store = Store(workspace.results)
    costs = costs_on(device, workspace, store.records())
    return cache(lambda job: epoch_seconds(job, store, costs))


def epoch_seconds(job: Job, store: Store, costs: Costs) -> float | None:
    """Return the seconds of an epoch: by its own so far, else as estimated, else None."""
    begun = note_of(store, job.fingerprint)
    if begun is not None and begun.epoch:
        return begun.seconds / begun.epoch
    cost = costs.cost(job).seconds
    return None if cost is None else cost / job.size.epochs
