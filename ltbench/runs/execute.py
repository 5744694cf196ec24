"""One training from its job to its records."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ltbench.engine.precision import device_of, threads_for
from ltbench.engine.train import Observer, ProgressEvent
from ltbench.errors import LtbenchError, located
from ltbench.registry.signatures import is_foreign
from ltbench.runs.lock import locked
from ltbench.runs.plan import Job
from ltbench.runs.record import Record
from ltbench.runs.recording import Evaluated, record_failure, write_cell
from ltbench.runs.signals import raise_again
from ltbench.runs.store import Cell, Store
from ltbench.runs.training import Callbacks, evaluated, split_of
from ltbench.runs.under_way import Note
from ltbench.runs.unit import TakenError, recover
from ltbench.runs.workspace import Workspace

Apart = Callable[[Job, Sequence[Cell], Workspace, Callbacks], Iterable[Evaluated]]
"""Does what `evaluated` does, in a process of its own."""


class BusyError(Exception):
    """Another process is at a training that this one would not wait for."""


def run_job(
    job: Job,
    workspace: Workspace,
    observe: Observer,
    wait: Callable[[], None] = lambda: None,
    apart: Apart | None = None,
) -> list[Record]:
    """Train a job, or take up its checkpoint, and write the records of its cells.

    A cell that another process finished meanwhile is read, not trained; `wait` is called when
    another process is at this training. Foreign methods run in this process, unless `apart` runs
    them. Raises LtbenchError when the run fails; a failure record then says why.
    """
    store = Store(workspace.results)
    with locked(store.work(job.fingerprint), wait), threads_for(job.dataset.info.shape):
        for cell in job.cells:
            recover(store, cell, (job.fingerprint, job.fingerprint_of(cell)))
        before = {cell: store.content(cell) for cell in job.cells}
        found = {} if job.anew else {cell: store.read(cell) for cell in job.cells}
        done = {cell: record for cell, record in found.items() if record is not None}
        missing = [cell for cell in job.cells if cell not in done]
        if missing:
            first = job.first_stage.fingerprint if job.first_stage else ""
            note = Note.of(store, job.fingerprint, tuple(missing), first)
            callbacks = Callbacks(_noted(observe, note), wait, note.update)
            taken = []
            try:
                for each in _evaluated(job, missing, workspace, callbacks, apart):
                    cell = Cell.of(each.record)
                    try:
                        split = split_of(job, workspace)
                        done[cell] = write_cell(each, split, store, before[cell])
                    except TakenError as error:  # the other cells are not less finished
                        taken.append(error)
            except KeyboardInterrupt:
                note.saved()
                raise
            except BrokenPipeError:
                note.write()
                raise  # whoever watched has gone; the run itself did not fail
            except BusyError:
                note.remove()
                raise
            except BaseException as error:
                record_failure(error, missing, device_of(workspace.device), store)
                note.write()  # what it has so far is needed when it is tried again
                if isinstance(error, Exception):
                    raise
                raise ends_the_program(job.trained, error) from error
            note.remove()
            if taken:
                raise taken[0]
    return [done[cell] for cell in job.cells]


def _evaluated(
    job: Job, cells: Sequence[Cell], workspace: Workspace, callbacks: Callbacks, apart: Apart | None
) -> Iterator[Evaluated]:
    """Yield the results of cells: of foreign methods by `apart`, of the others in this process."""
    foreign = [cell for cell in cells if apart is not None and is_foreign(cell.method)]
    if apart is None or not is_foreign(job.trained):
        own = [cell for cell in cells if cell not in foreign]
        yield from evaluated(job, own, workspace, callbacks)
        job = replace(job, anew=False)  # it is trained
    if apart is not None and foreign:
        yield from apart(job, foreign, workspace, callbacks)


def ends_the_program(method: str, error: BaseException) -> LtbenchError:
    """Return the error for a method's code that would have ended this whole process."""
    return LtbenchError(
        f"{method} raised {located(error)}, which ends a program; "
        "let its code raise an exception, which ends one training."
    )


def _noted(observe: Observer, note: Note) -> Observer:
    def note_progress(report: ProgressEvent) -> None:
        raise_again()
        if report.loss is not None:
            note.update(report.epoch, report.epochs, report.seconds)
        observe(report)

    return note_progress
