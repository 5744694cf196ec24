"""Progress of a run: a live display on a terminal, lines elsewhere, JSON lines for programs."""

from __future__ import annotations  # annotations name classes whose modules import torch

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from ltbench.cli.views.duration import duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from ltbench.engine.train import ProgressEvent
    from ltbench.runs.executors.interface import RunListener
    from ltbench.runs.plan import Job
    from ltbench.runs.record import Record

SECONDS_BETWEEN_LINES = 10.0
_WAITING = 0.05  # share of training without images from which on it is shown


def _share(report: ProgressEvent) -> float:
    """Return the finished share of a training."""
    return min((report.epoch + report.step / max(report.steps, 1)) / report.epochs, 1.0)


def _waiting(report: ProgressEvent) -> str:
    """Return in words which share of training waits for images; nothing below a twentieth."""
    return f"{report.waiting:.0%} waiting for images, " if report.waiting >= _WAITING else ""


def _title(job: Job) -> str:
    """Return the headline metric of a training's data set as papers print it."""
    from ltbench.evaluation.scores import HEADLINES, TITLES

    return TITLES[HEADLINES[job.dataset.info.kind]]


def _outcome(job: Job, records: list[Record]) -> str:
    first = records[0]
    return (
        f"{job}: {_title(job)} {first.headline:.2f} %, {first.cost.train_seconds:.0f} s "
        f"({first.cost.images_per_second:.0f} images/s)"
    )


class Lines:
    """One line when a training starts, now and then while it goes on, and when it ends."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self.spoken: dict[str, float] = {}

    def started(self, job: Job) -> None:
        """Print which training begins."""
        self.spoken[str(job)] = time.monotonic()
        print(f"[{self.done + 1}/{self.total}] {job}", flush=True)

    def waiting(self, job: Job) -> None:
        """Print that another process trains the cell."""
        print(f"  {job}: another process is training this; waiting for it", flush=True)

    def postponed(self, job: Job) -> None:
        """Print that the cell is put to the back."""
        print(f"  {job}: another process is training this; it comes later", flush=True)

    def lost(self, job: Job, reason: str) -> None:
        """Print that the cell is tried again, and why."""
        print(f"  {job}: {reason} It is tried again.", file=sys.stderr, flush=True)

    def report(self, job: Job, report: ProgressEvent) -> None:
        """Print the epoch that ended, at most every ten seconds."""
        now = time.monotonic()
        if report.loss is None or now - self.spoken[str(job)] < SECONDS_BETWEEN_LINES:
            return
        self.spoken[str(job)] = now
        left = report.seconds * (1 / max(_share(report), 1e-9) - 1)
        score = "" if report.headline is None else f", {_title(job)} {report.headline:.2f} %"
        print(
            f"  {job}: epoch {report.epoch}/{report.epochs}, loss {report.loss:.4f}{score}, "
            f"{report.images_per_second:.0f} images/s, {_waiting(report)}{duration(left)} left",
            flush=True,
        )

    def finished(self, job: Job, records: list[Record]) -> None:
        """Print the headline metric of a finished training."""
        self.done += 1
        print(f"  {_outcome(job, records)}", flush=True)

    def failed(self, job: Job, reason: str) -> None:
        """Print why a training failed."""
        self.done += 1
        print(f"  {job} failed: {reason}", file=sys.stderr, flush=True)


class Quiet(Lines):
    """Prints failures, and nothing else."""

    def _nothing(self, *event: object) -> None:
        """Ignore the event."""

    started = waiting = postponed = lost = report = finished = _nothing  # type: ignore[assignment]


class JsonLines(Lines):
    """One JSON object a line for every event; epochs, not steps."""

    def started(self, job: Job) -> None:
        """Write the event."""
        self._event("started", job)

    def waiting(self, job: Job) -> None:
        """Write the event."""
        self._event("waiting", job)

    def postponed(self, job: Job) -> None:
        """Write the event."""
        self._event("postponed", job)

    def lost(self, job: Job, reason: str) -> None:
        """Write the event with the reason."""
        self._event("lost", job, reason=reason)

    def report(self, job: Job, report: ProgressEvent) -> None:
        """Write an epoch's event."""
        if report.loss is not None:
            numbers = asdict(report)
            del numbers["curves"]
            self._event("epoch", job, **numbers)

    def finished(self, job: Job, records: list[Record]) -> None:
        """Write the event with the records."""
        self._event("finished", job, records=[record.model_dump() for record in records])

    def failed(self, job: Job, reason: str) -> None:
        """Write the event with the reason."""
        self._event("failed", job, reason=reason)

    def _event(self, event: str, job: Job, **content: object) -> None:
        head = {"event": event, "method": job.trained, "dataset": str(job.dataset)}
        print(json.dumps({**head, "seed": job.seed, **content}), flush=True)


class Live(Lines):
    """A bar for every training under way and one for the whole run."""

    def __init__(self, total: int, progress: Progress) -> None:
        super().__init__(total)
        self.progress = progress
        self.begun = time.monotonic()
        self.whole = progress.add_task("all trainings", total=total, detail=f"0/{total}")
        self.bars: dict[str, TaskID] = {}
        self.shares: dict[str, float] = {}
        self.scores: dict[str, str] = {}  # latest loss and accuracy, as shown

    def started(self, job: Job) -> None:
        """Add a bar for the training that begins."""
        name = str(job)
        self.bars[name] = self.progress.add_task(name, total=1.0, detail="")
        self.shares[name], self.scores[name] = 0.0, ""

    def waiting(self, job: Job) -> None:
        """Show on the bar that another process trains the cell."""
        self.progress.update(self.bars[str(job)], detail="another process is at it; waiting")

    def postponed(self, job: Job) -> None:
        """Remove the bar of a cell that is put to the back."""
        self._remove(job)

    def lost(self, job: Job, reason: str) -> None:
        """Remove the bar of a cell that is tried again, and print why."""
        self._remove(job)
        self.progress.console.print(f"{job}: {reason} It is tried again.", markup=False)

    def report(self, job: Job, report: ProgressEvent) -> None:
        """Move the bar to the current step."""
        name, share = str(job), _share(report)
        if report.loss is not None:
            _, known, score = self.scores[name].partition(f"  {_title(job)} ")
            if report.headline is not None:
                known, score = f"  {_title(job)} ", f"{report.headline:.2f} %"
            self.scores[name] = f"  loss {report.loss:.3f}{known}{score}"
        left = duration(report.seconds * (1 / share - 1)) if share else "?"
        detail = (
            f"epoch {report.epoch}/{report.epochs}{self.scores[name]}  "
            f"{report.images_per_second:.0f} images/s  {_waiting(report)}{left} left"
        )
        self.shares[name] = share
        self.progress.update(self.bars[name], completed=share, detail=detail)
        self._whole()

    def finished(self, job: Job, records: list[Record]) -> None:
        """Replace the bar by a line with the headline metric."""
        self._drop(job)
        self.progress.console.print(_outcome(job, records), highlight=False, markup=False)

    def failed(self, job: Job, reason: str) -> None:
        """Replace the bar by the reason of the failure."""
        self._drop(job)
        self.progress.console.print(f"{job} failed: {reason}", style="red", markup=False)

    def _drop(self, job: Job) -> None:
        self.done += 1
        self._remove(job)

    def _remove(self, job: Job) -> None:
        self.progress.remove_task(self.bars.pop(str(job)))
        del self.shares[str(job)]
        self._whole()

    def _whole(self) -> None:
        share = (self.done + sum(self.shares.values())) / self.total
        spent = time.monotonic() - self.begun
        left = f"  {duration(spent * (1 / share - 1))} left" if 0 < share < 1 else ""
        detail = f"{self.done}/{self.total}{left}"
        self.progress.update(self.whole, completed=share * self.total, detail=detail)


@contextmanager
def listening(total: int, *, quiet: bool, as_json: bool) -> Iterator[RunListener]:
    """Yield the listener that suits where the output goes."""
    if as_json:
        yield JsonLines(total)
    elif quiet:
        yield Quiet(total)
    elif not sys.stdout.isatty():
        yield Lines(total)
    else:
        from rich.progress import BarColumn, Progress, TextColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[detail]}", markup=False),
        )
        with Progress(*columns, refresh_per_second=4, transient=True) as progress:
            yield Live(total, progress)
