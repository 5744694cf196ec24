"""One training from its job to its records."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from ltbench.api.registry import build
from ltbench.data.catalog import Dataset
from ltbench.data.loading import load
from ltbench.data.readers import Split
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Settings, Training
from ltbench.engine.precision import device_of, threads_for
from ltbench.engine.train import Observer, ProgressEvent
from ltbench.errors import LtbenchError, located
from ltbench.runs.environment import environment, peak_memory_mib
from ltbench.runs.files import write_file
from ltbench.runs.identity import Identity
from ltbench.runs.kept import Keep, keep_epoch, kept_file
from ltbench.runs.lock import locked
from ltbench.runs.plan import Job
from ltbench.runs.pretrained import pretrained_of
from ltbench.runs.record import Record
from ltbench.runs.recording import record_cell, record_failure
from ltbench.runs.store import Store
from ltbench.runs.under_way import Note
from ltbench.runs.unit import TakenError, recover


@dataclass(frozen=True)
class Workspace:
    """Where trainings happen and where their records go."""

    results: Path
    data: Path
    device: str = "auto"
    checkpoint_every: float = 30.0  # seconds
    download: bool = True  # data that are missing
    keep: Keep | None = None  # weights, beside the record
    pretrained: Path | None = None  # weights that encoders begin from, where a protocol says so


class BusyError(Exception):
    """Another process is at a training that this one would not wait for."""


def training_of(job: Job, workspace: Workspace) -> Training:
    """Return the training of a job, as far as its checkpoint has it.

    Raises LtbenchError where the method is not, or no longer, the one that was planned.
    """
    protocol, begun = job.protocol, pretrained_of(job, workspace.pretrained)
    settings = Settings(
        info=protocol.sized(job.dataset.info),
        network=job.network,
        recipe=protocol.recipe(),
        precision=protocol.precision,
        evaluate_every=protocol.evaluate_every,
        seed=job.seed,
        device=device_of(workspace.device),
        pretrained=begun,
    )
    method = build(job.trained)
    own = Identity.of(method, protocol)
    if own.fingerprint(str(job.dataset), job.network, protocol, job.seed) != job.fingerprint:
        raise LtbenchError(
            f"{job.trained} is not what was planned, for a file of the method has changed since; "
            "give the command again."
        )
    path = Store(workspace.results).checkpoint_path(job.fingerprint)
    checkpoint = Checkpoint(path, write_file, workspace.checkpoint_every)
    if job.anew and checkpoint.state() in ("finished", "damaged"):
        path.unlink()
    if settings.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(settings.device)
    training = Training(method, split_of(job, workspace), settings, checkpoint)
    sha256 = begun.sha256 if begun else ""
    training.progress.pretrained_sha256 = sha256
    if training.resume() and training.progress.pretrained_sha256 != sha256:
        raise LtbenchError(
            f"{job} began from other pretrained weights than --pretrained names now; name those "
            f"again, or delete its checkpoint {path}."
        )
    return training


def split_of(job: Job, workspace: Workspace) -> Split:
    """Return the job's data, read once a process for consecutive jobs on the same split."""
    protocol = job.protocol
    return _split(
        job.dataset,
        workspace.data,
        protocol.subset_seed,
        protocol.validation,
        protocol.fraction,
        download=workspace.download,
    )


def run_job(
    job: Job,
    workspace: Workspace,
    observe: Observer,
    wait: Callable[[], None] = lambda: None,
) -> list[Record]:
    """Train a job, or take up its checkpoint, and write the records of its cells.

    A cell that another process finished meanwhile is read, not trained; `wait` is called when
    another process is at this training. Raises LtbenchError when the run fails; a failure record
    then says why.
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
            observe = _noted(observe, note)
            try:
                training, split = training_of(job, workspace), split_of(job, workspace)
                note.say(training.progress.epochs_done, training.epochs, training.progress.seconds)
                _begin(training, job, workspace, observe, wait)
                _train(
                    training, _keeping(observe, training, store, job.fingerprint, workspace.keep)
                )
                taken = []
                kept = kept_file(training, store, job.fingerprint) if workspace.keep else None
                for cell in missing:
                    try:
                        done[cell] = record_cell(
                            cell, job, training, split, store, before=before[cell], weights=kept
                        )
                    except TakenError as error:  # the other cells are not less finished
                        taken.append(error)
            except (BrokenPipeError, KeyboardInterrupt):
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


def ends_the_program(method: str, error: BaseException) -> LtbenchError:
    """Return the error for a method's code that would have ended this whole process."""
    return LtbenchError(
        f"{method} raised {located(error)}, which ends a program; "
        "let its code raise an exception, which ends one training."
    )


def _noted(observe: Observer, note: Note) -> Observer:
    def heard(report: ProgressEvent) -> None:
        if report.loss is not None:
            note.say(report.epoch, report.epochs, report.seconds)
        observe(report)

    return heard


def _keeping(
    observe: Observer, training: Training, store: Store, fingerprint: str, keep: Keep | None
) -> Observer:
    def heard(report: ProgressEvent) -> None:
        if keep is not None and report.loss is not None:
            keep_epoch(training, store, fingerprint, keep)
        observe(report)

    return heard


def _begin(
    training: Training, job: Job, workspace: Workspace, observe: Observer, wait: Callable[[], None]
) -> None:
    """Start from the first stage that is another training, which is trained here if it is not yet.

    `--force` does not reach it: to train it anew, force the method it is the training of.
    """
    if job.first_stage is None or training.progress.epochs_done:
        return
    with locked(Store(workspace.results).work(job.first_stage.fingerprint), wait):
        Store(workspace.results).sweep_work(job.first_stage.fingerprint)
        first = training_of(job.first_stage, workspace)
        _train(first, lambda report: observe(replace(report, epochs=training.epochs)))
    training.start_from(first)


def _train(training: Training, observe: Observer) -> None:
    """Train to the end; a network that is read off later keeps the provenance it was trained by."""
    progress, device = training.progress, training.settings.device
    if progress.finished:
        return
    here = environment(device).model_dump()
    if here not in progress.environments:
        progress.environments.append(here)
    before = progress.peak_memory_mib
    training.run(observe, lambda: max(before, peak_memory_mib(device) or 0.0))


@lru_cache(maxsize=2)
def _split(
    dataset: Dataset,
    root: Path,
    subset_seed: int,
    validation: int,
    fraction: float,
    *,
    download: bool,
) -> Split:
    return load(
        dataset,
        root,
        subset_seed=subset_seed,
        validation=validation,
        fraction=fraction,
        download=download,
    )
