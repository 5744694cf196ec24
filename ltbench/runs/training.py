"""A job's training, and what it gives each of its cells; records are written elsewhere."""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch

from ltbench.data.catalog import Dataset
from ltbench.data.loading import load
from ltbench.data.readers import Split
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Training
from ltbench.engine.precision import device_of, threads_for
from ltbench.engine.settings import Settings
from ltbench.engine.train import Observer, ProgressEvent
from ltbench.errors import LtbenchError
from ltbench.evaluation.metrics import Score
from ltbench.networks import Pretrained
from ltbench.registry.methods import build
from ltbench.runs.energy import metered
from ltbench.runs.environment import environment, peak_memory_mib
from ltbench.runs.files import write_file
from ltbench.runs.identity import Identity
from ltbench.runs.kept import Keep, keep_epoch, kept_file
from ltbench.runs.lock import locked
from ltbench.runs.plan import Job
from ltbench.runs.pretrained import pretrained_of
from ltbench.runs.protocol import Protocol
from ltbench.runs.recording import Evaluated, evaluate_cell
from ltbench.runs.store import Cell, Store
from ltbench.runs.together import joined
from ltbench.runs.workspace import Workspace

_load = lru_cache(maxsize=2)(load)  # once for consecutive jobs on the same split

REPORTS_PER_SECOND = 4  # that go from one process to another


@dataclass(frozen=True)
class Callbacks:
    """What a training calls in whoever runs it."""

    observe: Observer
    wait: Callable[[], None] = lambda: None  # another process is at this training
    begun: Callable[[int, int, float], None] = lambda done, epochs, seconds: None
    first_stage: Callable[[int], None] | None = None  # trains it, of a run of so many epochs
    score: Score | None = None  # None: the training scores its logits itself


def training_of(job: Job, workspace: Workspace, score: Score | None = None) -> Training:
    """Return the training of a job, as far as its checkpoint has it.

    Raises LtbenchError where the method is not, or no longer, the one that was planned.
    """
    training, pretrained = _begun(job, workspace, score), pretrained_of(job, workspace.pretrained)
    path = Store(workspace.results).checkpoint_path(job.fingerprint)
    training.checkpoint = Checkpoint(path, write_file, workspace.checkpoint_every)
    if job.anew and training.checkpoint.state() in ("finished", "damaged"):
        path.unlink()
    sha256 = pretrained.sha256 if pretrained else ""
    training.progress.pretrained_sha256 = sha256
    if training.resume() and training.progress.pretrained_sha256 != sha256:
        raise LtbenchError(
            f"{job} began from other pretrained weights than --pretrained names now; name those "
            f"again, or delete its checkpoint {path}."
        )
    return training


def train_along(job: Job, workspace: Workspace, state: bytes) -> None:
    """Train a job beside the process that leads, from its state on; nothing is written."""
    training = _begun(job, workspace)
    training.restore(torch.load(io.BytesIO(state), map_location="cpu", weights_only=True))
    with threads_for(job.dataset.info.shape):
        training.run(lambda report: None)


def _begun(job: Job, workspace: Workspace, score: Score | None = None) -> Training:
    protocol = job.protocol
    settings = settings_of(
        job.dataset, job.network, protocol,
        seed=job.seed, device=device_of(workspace.device),
        pretrained=pretrained_of(job, workspace.pretrained),
        skip_unreadable=workspace.skip_unreadable,
    )  # fmt: skip
    method = build(job.trained)
    own = Identity.of(method, protocol)
    if own.fingerprint(str(job.dataset), job.network, protocol, job.seed) != job.fingerprint:
        raise LtbenchError(
            f"{job.trained} is not what was planned, for a file of the method has changed since; "
            "give the command again."
        )
    if settings.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(settings.device)
    return Training(method, split_of(job, workspace), settings, score=score)


def settings_of(
    dataset: Dataset,
    network: str,
    protocol: Protocol,
    *,
    seed: int,
    device: torch.device,
    pretrained: Pretrained | None = None,
    skip_unreadable: bool = False,
) -> Settings:
    """Return what the engine needs to know of a run, of a job or of a record."""
    return Settings(
        info=protocol.sized(dataset.info),
        network=network,
        recipe=protocol.recipe(),
        precision=protocol.precision,
        evaluate_every=protocol.evaluate_every,
        seed=seed,
        device=device,
        pretrained=pretrained,
        skip_unreadable=skip_unreadable,
    )


def split_of(job: Job, workspace: Workspace) -> Split:
    """Return the job's data, read once a process for consecutive jobs on the same split."""
    return split_under(job.protocol, job.dataset, workspace.data, download=workspace.download)


def split_under(protocol: Protocol, dataset: Dataset, root: Path, *, download: bool) -> Split:
    """Return the images of a data set that a protocol trains and tests on."""
    return _load(
        dataset,
        root,
        subset_seed=protocol.subset_seed,
        validation=protocol.validation,
        fraction=protocol.fraction,
        stored_side=protocol.stored_side,
        download=download,
    )


def evaluated(
    job: Job, cells: Sequence[Cell], workspace: Workspace, callbacks: Callbacks
) -> Iterator[Evaluated]:
    """Train a job to its end, or take up its checkpoint, and yield the results of cells."""
    store = Store(workspace.results)
    training = training_of(job, workspace, callbacks.score)
    progress, observe = training.progress, callbacks.observe
    callbacks.begun(progress.epochs_done, training.epochs, progress.seconds)
    if job.first_stage is not None and not progress.epochs_done:
        if callbacks.first_stage is not None:
            callbacks.first_stage(training.epochs)
        training.start_from(train_first_stage(job, training.epochs, workspace, callbacks))
    observer = _keeping(observe, training, store, job.fingerprint, workspace.keep)
    _train(job, workspace, training, observer)
    weights = None
    if cells and workspace.keep:
        weights = kept_file(training, store, job.fingerprint)
    for cell in cells:
        yield evaluate_cell(cell, job, training, split_of(job, workspace), weights)


def train_first_stage(
    job: Job, epochs: int, workspace: Workspace, callbacks: Callbacks
) -> Training:
    """Return the training that is a job's first stage, trained here if it is not yet.

    `epochs` are those of the whole run. `--force` does not reach the first stage: to train it anew,
    force the method it is the training of.
    """
    assert job.first_stage is not None
    store, first = Store(workspace.results), job.first_stage
    with locked(store.work(first.fingerprint), callbacks.wait):
        store.sweep_work(first.fingerprint)
        training = training_of(first, workspace)
        _train(first, workspace, training, _of_epochs(callbacks.observe, epochs))
    return training


def _of_epochs(observe: Observer, epochs: int) -> Observer:
    return lambda report: observe(replace(report, epochs=epochs))


def _keeping(
    observe: Observer, training: Training, store: Store, fingerprint: str, keep: Keep | None
) -> Observer:
    def keep_weights(report: ProgressEvent) -> None:
        if keep is not None and report.loss is not None:
            keep_epoch(training, store, fingerprint, keep)
        observe(report)

    return keep_weights


def _train(job: Job, workspace: Workspace, training: Training, observe: Observer) -> None:
    """Train to the end; a network that is read off later keeps the provenance it was trained by."""
    progress, device = training.progress, training.settings.device
    if progress.finished:
        return
    here = environment(device).model_dump(exclude_defaults=True)  # as checkpoints from before
    if here not in progress.environments:
        progress.environments.append(here)
    before = progress.peak_memory_mib
    observer = metered(observe, training)
    with joined(training, job, workspace):
        training.run(observer, lambda: max(before, peak_memory_mib(device) or 0.0))


def throttled(send: Observer) -> Observer:
    """Pass every epoch on, and a few steps a second."""
    last = 0.0

    def observe(report: ProgressEvent) -> None:
        nonlocal last
        now = time.monotonic()
        if report.loss is not None or now - last >= 1 / REPORTS_PER_SECOND:
            last = now
            send(report)

    return observe
