"""A time limit: until when a command may train, and which trainings it still begins."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from ltbench.errors import UsageError
from ltbench.runs.cost import CostModel
from ltbench.runs.executors.interface import Options
from ltbench.runs.plan import Job
from ltbench.runs.store import Store
from ltbench.runs.timing import StepTimer
from ltbench.runs.under_way import note_of
from ltbench.runs.workspace import Workspace


@dataclass(frozen=True)
class Deadline:
    """A moment, of `time.monotonic`, at which every training saves."""

    at: float
    epoch_seconds: Callable[[Job], float | None]

    @classmethod
    def of(cls, options: Options, workspace: Workspace) -> "Deadline | None":
        """Return the deadline of a command with a time limit: when trainings are to save.

        Raises UsageError where they would have to before they begin.
        """
        if options.time_limit is None:
            return None
        seconds = options.time_limit - options.signal_before
        if seconds <= 0:
            raise UsageError(
                f"a time limit of {options.time_limit:g} s leaves nothing before the "
                f"{options.signal_before:g} s in which trainings save; give a longer "
                "--time-limit, or less with --signal-before."
            )
        store = Store(workspace.results)
        costs = CostModel(store.records(), StepTimer(workspace, lambda words: None))
        return cls(options.begun + seconds, lambda job: epoch_seconds(job, store, costs))

    @property
    def left(self) -> float:
        """Return the seconds that are left."""
        return self.at - time.monotonic()

    def allows(self, job: Job) -> bool:
        """Return whether an epoch of a job ends in time: what it saves are whole epochs."""
        return self.left > (self.epoch_seconds(job) or 0.0)


def epoch_seconds(job: Job, store: Store, costs: CostModel) -> float | None:
    """Return the seconds of an epoch: by its own so far, else as estimated, else None."""
    begun = note_of(store, job.fingerprint)
    if begun is not None and begun.epoch:
        return begun.seconds / begun.epoch
    cost = costs.cost(job).seconds
    return None if cost is None else cost / job.size.epochs
