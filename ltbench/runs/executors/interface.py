"""The one interface of what runs jobs, and the executors that there are by name."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, cast

from ltbench.engine.train import ProgressEvent
from ltbench.errors import LtbenchError, first_line, unknown
from ltbench.runs.plan import Job
from ltbench.runs.record import Record
from ltbench.runs.together import check_joint
from ltbench.runs.workspace import Workspace

GROUP = "ltbench.executors"  # of entry points
SIGNAL_BEFORE = 60.0  # seconds before a time limit
RETRIES = 2  # of a job whose worker is lost


class RunListener(Protocol):
    """Is called as jobs go on, in the parent process only."""

    def started(self, job: Job) -> None:
        """A job begins."""

    def waiting(self, job: Job) -> None:
        """Another process is at this training; it is waited for."""

    def postponed(self, job: Job) -> None:
        """Another process is at this training; others come first."""

    def lost(self, job: Job, reason: str) -> None:
        """A job's worker is gone; the job is tried again, from its checkpoint."""

    def report(self, job: Job, report: ProgressEvent) -> None:
        """A step or an epoch is finished."""

    def finished(self, job: Job, records: list[Record]) -> None:
        """A job's records are written."""

    def failed(self, job: Job, reason: str) -> None:
        """A job stopped."""


@dataclass
class Outcome:
    """The records of jobs that ended, the reasons of those that failed, and those not begun."""

    records: list[Record] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)  # job to reason
    left: list[Job] = field(default_factory=list)  # not begun, for want of time


@dataclass(frozen=True)
class Options:
    """What a run command asks of an executor.

    `places` are the devices of the worker processes, one each; `loaded` the files that methods of
    one's own come from; `retries` counts for each job whose worker is lost; `debug` lets
    unforeseen errors through where jobs run in this process. `time_limit` is in seconds from
    `begun` (of `time.monotonic`); `signal_before` as many seconds before it trainings save.
    `per_gpu` trainings share a GPU where the executor, not `places`, says which.
    """

    places: tuple[str, ...] = ("auto",)
    loaded: tuple[Path, ...] = ()
    retries: int = RETRIES
    debug: bool = False
    time_limit: float | None = None
    signal_before: float = SIGNAL_BEFORE
    begun: float = field(default_factory=time.monotonic)
    per_gpu: int = 1


class Executor(Protocol):
    """Runs jobs: when it returns, every cell of theirs has a record or a failure record.

    But for those of the jobs in `Outcome.left`, which could not have saved within the time limit;
    where that is reached, OutOfTimeError, a KeyboardInterrupt, is raised.

    A lost worker costs its job only, which is tried again from its checkpoint as often as
    `Options.retries` says. Nothing is written but records, checkpoints and logs. KeyboardInterrupt
    is raised on after every training has saved.
    """

    def run(self, jobs: Sequence[Job], workspace: Workspace, listener: RunListener) -> Outcome:
        """Run jobs, each once, and tell the listener how they go."""


Factory = Callable[[str, Options], Executor]  # of what follows the colon in an executor's name

_BUILT_IN = {
    "local": "ltbench.runs.executors.local:Local",
    "slurm": "ltbench.runs.executors.slurm:Slurm",
    "ray": "ltbench.runs.executors.ray:Ray",
}


def executor_of(name: str, options: Options) -> Executor:
    """Return the executor called `local`, or `kind:argument` of another package.

    A package registers `kind` as an entry point of the group `ltbench.executors`: a callable that
    takes the argument and the options. Raises UsageError for an unknown kind, LtbenchError where
    its package does not import.
    """
    kind, _, argument = name.partition(":")
    check_joint(kind, options.places, bool(options.loaded))
    installed = {each.name: each for each in entry_points(group=GROUP)}
    if kind in _BUILT_IN:
        module, _, attribute = _BUILT_IN[kind].partition(":")
        return cast(Factory, getattr(import_module(module), attribute))(argument, options)
    if kind not in installed:
        raise unknown("executor", kind, [*_BUILT_IN, *installed])
    try:
        factory = cast(Factory, installed[kind].load())
    except Exception as error:
        raise LtbenchError(
            f"executor {kind} of another package does not import ({first_line(error)}); "
            "mend or remove that package."
        ) from error
    return factory(argument, options)
