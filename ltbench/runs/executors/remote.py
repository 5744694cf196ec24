"""Jobs on machines that share the results folder, as whoever gave the orders follows them.

A worker reports by the results folder alone: its record or failure record says how a job
ended, the note beside its checkpoint how far it is. No machine's clock is compared with another's.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from ltbench.engine.train import ProgressEvent
from ltbench.registry.signatures import is_foreign
from ltbench.runs.cost import is_kept
from ltbench.runs.executors.interface import Outcome, RunListener
from ltbench.runs.lock import is_locked
from ltbench.runs.plan import Job
from ltbench.runs.store import Cell, Store
from ltbench.runs.under_way import note_of


def by_first_stage(
    jobs: Sequence[Job], store: Store, elsewhere: Collection[str] = ()
) -> tuple[list[Job], dict[str, list[Job]]]:
    """Return the jobs that may begin at once, and those that share a first stage, by it.

    The first stage is another of the jobs, one that several have in common, or one of
    `elsewhere`, the fingerprints of trainings that somebody else is at, and not trained yet; what
    waits for it does so without a worker of its own.
    """
    firsts = [job.first_stage for job in jobs]
    own = {first.fingerprint for first in firsts if first and not is_foreign(first.trained)}
    times = Counter(first.fingerprint for first in firsts if first)
    planned = {job.fingerprint for job in jobs}
    shared = {
        each for each in own
        if (each in planned or each in elsewhere or times[each] > 1) and not is_kept(each, store)
    }  # fmt: skip
    alone: list[Job] = []
    after: dict[str, list[Job]] = {}
    for job, first in zip(jobs, firsts, strict=True):
        if first is not None and first.fingerprint in shared:
            after.setdefault(first.fingerprint, []).append(job)
        else:
            alone.append(job)
    return alone, after


class Followed:
    """A job that runs elsewhere, as the results folder shows it."""

    def __init__(self, job: Job, store: Store) -> None:
        self.job, self.store = job, store
        self.before = {cell: self._contents(cell) for cell in job.cells}
        self.begun = False
        self.seen: tuple[int, float] | None = None

    def settled(self, ended: bool = True) -> bool:
        """Return whether every cell has its record or, if the worker `ended`, a new failure's."""
        return all(
            self._record_is_there(cell) or (ended and self._has_failed(cell))
            for cell in self.job.cells
        )

    def close(self, outcome: Outcome, listener: RunListener) -> None:
        """Add a settled job to the outcome, and report it."""
        if not self.begun:
            listener.started(self.job)
        there = [cell for cell in self.job.cells if self._record_is_there(cell)]
        records = [record for cell in there if (record := self.store.read(cell)) is not None]
        outcome.records += records
        if len(there) == len(self.job.cells):
            listener.finished(self.job, records)
            return
        missing = {cell for cell in self.job.cells if cell not in there}
        reasons = [each.error for each in self.store.failures() if Cell.of(each) in missing]
        outcome.failures[str(self.job)] = reasons[0]
        listener.failed(self.job, reasons[0])

    def lost(self, reason: str, listener: RunListener) -> None:
        """Report that the job is tried again."""
        if not self.begun:
            listener.started(self.job)
        self.begun, self.seen = False, None
        listener.lost(self.job, reason)

    def is_under_way(self) -> bool:
        """Return whether a process is at the job now."""
        return self.begun or is_locked(self.store.work(self.job.fingerprint))

    def report_progress(self, listener: RunListener) -> None:
        """Report how far the job is, if that has changed."""
        note = note_of(self.store, self.job.fingerprint)
        if note is None or not note.epochs or (note.epoch, note.seconds) == self.seen:
            return
        if not self.begun:
            self.begun = True
            listener.started(self.job)
        self.seen = (note.epoch, note.seconds)
        images = self.job.size.images * note.epoch / note.epochs
        speed = images / note.seconds if note.seconds else 0.0
        listener.report(self.job, ProgressEvent(note.epoch, note.epochs, 0, 1, note.seconds, speed))

    def _record_is_there(self, cell: Cell) -> bool:
        found = self.store.content(cell)
        return bool(found) and not (self.job.anew and found == self.before[cell][0])

    def _has_failed(self, cell: Cell) -> bool:
        found = self._contents(cell)[1]
        return found is not None and found != self.before[cell][1]

    def _contents(self, cell: Cell) -> tuple[bytes | None, bytes | None]:
        try:
            failure = self.store.failure_path(cell).read_bytes()
        except OSError:
            failure = None
        return self.store.content(cell), failure
