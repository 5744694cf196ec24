"""Trackers: what shows trainings' curves as they grow, if its package is installed.

TensorBoard, Weights & Biases and MLflow stand behind one small protocol, `Tracker`; `Tracked` is
the listener that feeds them. Records and curves are written whether or not anything tracks them.
"""

import math
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from numbers import Real
from typing import Any, Protocol

from ltbench.engine.train import ProgressEvent
from ltbench.errors import LtbenchError, first_line, unknown
from ltbench.runs.executors.interface import RunListener
from ltbench.runs.plan import Job
from ltbench.runs.record import Record
from ltbench.runs.store import Store

PROJECT = "ltbench"


class Tracker(Protocol):
    """Where the scalars of trainings go; each job is a run of its own there."""

    def log(self, job: Job, epoch: int, values: Mapping[str, float]) -> None:
        """Log scalars by name after an epoch, which counts from one over all stages."""

    def end(self, job: Job, finished: bool) -> None:
        """Close a job's run, if it has one: its training is finished, or it stopped."""


class TensorBoard:
    """Event files under `tensorboard` in the results folder, laid out as the records are."""

    def __init__(self, store: Store) -> None:
        self.writer = _imported("torch.utils.tensorboard", "tensorboard").SummaryWriter
        self.store = store
        self.open: dict[Job, Any] = {}

    def log(self, job: Job, epoch: int, values: Mapping[str, float]) -> None:
        """Add a point to each scalar's line."""
        if job not in self.open:
            path = self.store.path(job.cells[0]).relative_to(self.store.root / "runs")
            folder = self.store.root / "tensorboard" / path.with_suffix("")
            self.open[job] = self.writer(str(folder))
        for name, value in values.items():
            self.open[job].add_scalar(name, value, epoch)

    def end(self, job: Job, finished: bool) -> None:
        """Flush and close the job's event file."""
        if job in self.open:
            self.open.pop(job).close()


class WeightsAndBiases:
    """Runs of the project WANDB_PROJECT, else `ltbench`; a resumed job goes on in its own."""

    def __init__(self, store: Store) -> None:
        self.wandb = _imported("wandb", "wandb")
        self.folder = store.root
        self.open: dict[Job, Any] = {}

    def log(self, job: Job, epoch: int, values: Mapping[str, float]) -> None:
        """Log the scalars as one step."""
        if job not in self.open:
            self.open[job] = self.wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT), name=str(job), config=_facts(job),
                id=job.fingerprint, resume="allow", reinit="create_new", dir=str(self.folder),
            )  # fmt: skip
        self.open[job].log(dict(values), step=epoch)

    def end(self, job: Job, finished: bool) -> None:
        """Finish the job's run."""
        if job in self.open:
            self.open.pop(job).finish(exit_code=0 if finished else 1)


class MLflow:
    """Runs of the experiment MLFLOW_EXPERIMENT_NAME, else `ltbench`, at MLFLOW_TRACKING_URI."""

    def __init__(self, store: Store) -> None:
        self.client = _imported("mlflow", "mlflow").MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        found = self.client.get_experiment_by_name(name)
        self.experiment = found.experiment_id if found else self.client.create_experiment(name)
        self.open: dict[Job, str] = {}

    def log(self, job: Job, epoch: int, values: Mapping[str, float]) -> None:
        """Log each scalar as a metric."""
        if job not in self.open:
            run = self.client.create_run(self.experiment, run_name=str(job)).info.run_id
            for name, value in _facts(job).items():
                self.client.log_param(run, name, value)
            self.open[job] = run
        for name, value in values.items():
            allowed = re.sub(r"[^\w ./-]", "-", name)
            self.client.log_metric(self.open[job], allowed, value, step=epoch)

    def end(self, job: Job, finished: bool) -> None:
        """Set the job's run to finished or failed."""
        if job in self.open:
            self.client.set_terminated(self.open.pop(job), "FINISHED" if finished else "FAILED")


TRACKERS: dict[str, Callable[[Store], Tracker]] = {
    "tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow,
}  # fmt: skip


class Tracked:
    """A listener that hands every event on to another, and epochs and scores to trackers too.

    A tracker that fails, as where a server does not answer, is named in a warning and asked no
    more; trainings go on.
    """

    def __init__(self, listener: RunListener, trackers: Sequence[Tracker]) -> None:
        self.listener, self.trackers = listener, list(trackers)

    def started(self, job: Job) -> None:
        """Pass the event on; a run begins with its first scalars."""
        self.listener.started(job)

    def waiting(self, job: Job) -> None:
        """Pass the event on."""
        self.listener.waiting(job)

    def postponed(self, job: Job) -> None:
        """Pass the event on."""
        self.listener.postponed(job)

    def lost(self, job: Job, reason: str) -> None:
        """Pass the event on."""
        self.listener.lost(job, reason)

    def report(self, job: Job, report: ProgressEvent) -> None:
        """Log the numbers in an epoch's row of the curves."""
        self.listener.report(job, report)
        if report.curves is not None:
            row = {name: v for name, v in report.curves.items() if name != "epoch"}
            self._each("log", job, report.epoch, _numbers(row))

    def finished(self, job: Job, records: list[Record]) -> None:
        """Log the scores of the last epoch, by what they are of, and close the run."""
        self.listener.finished(job, records)
        for record in records:
            scores = {
                f"{record.method}/{name}": getattr(record.last, name)
                for name in record.last.numbers
            }
            self._each("log", job, record.last.epoch, _numbers(scores))
        self._each("end", job, True)

    def failed(self, job: Job, reason: str) -> None:
        """Close the run as failed."""
        self.listener.failed(job, reason)
        self._each("end", job, False)

    def _each(self, call: str, *given: Any) -> None:
        for tracker in list(self.trackers):
            try:
                getattr(tracker, call)(*given)
            except Exception as error:
                self.trackers.remove(tracker)
                warnings.warn(
                    f"{type(tracker).__name__} is tracking no more ({first_line(error)}); "
                    "trainings go on, and their curves lie beside their records.",
                    stacklevel=2,
                )


def trackers_of(names: Sequence[str], store: Store) -> list[Tracker]:
    """Return the trackers of these names for runs that go into a store.

    Raises UsageError for an unknown name, LtbenchError, with the command that installs it, where a
    tracker's package is not there.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown("tracker", name, TRACKERS)
    return [TRACKERS[name](store) for name in names]


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value) for name, value in row.items()
        if isinstance(value, Real) and math.isfinite(value)
    }  # fmt: skip


def _facts(job: Job) -> dict[str, Any]:
    return {
        "method": job.trained, "dataset": str(job.dataset), "network": job.network,
        "protocol": job.protocol.specification, "seed": job.seed, "fingerprint": job.fingerprint,
    }  # fmt: skip


def _imported(module: str, package: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise LtbenchError(
            f"tracking needs {package}, which is not installed; `python -m pip install {package}` "
            "brings it, and without --track nothing is needed."
        ) from None
