"""A job's training, and what it gives each of its cells; records are written elsewhere."""

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
from ltbench.engine.fit import Settings, Training
from ltbench.engine.precision import device_of
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
    protocol, pretrained = job.protocol, pretrained_of(job, workspace.pretrained)
    settings = settings_of(
        job.dataset, job.network, protocol,
        seed=job.seed, device=device_of(workspace.device), pretrained=pretrained,
    )  # fmt: skip
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
    training = Training(method, split_of(job, workspace), settings, checkpoint, score)
    sha256 = pretrained.sha256 if pretrained else ""
    training.progress.pretrained_sha256 = sha256
    if training.resume() and training.progress.pretrained_sha256 != sha256:
        raise LtbenchError(
            f"{job} began from other pretrained weights than --pretrained names now; name those "
            f"again, or delete its checkpoint {path}."
        )
    return training


def settings_of(
    dataset: Dataset,
    network: str,
    protocol: Protocol,
    *,
    seed: int,
    device: torch.device,
    pretrained: Pretrained | None = None,
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
    _train(training, _keeping(observe, training, store, job.fingerprint, workspace.keep))
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
        _train(training, lambda report: callbacks.observe(replace(report, epochs=epochs)))
    return training


def _keeping(
    observe: Observer, training: Training, store: Store, fingerprint: str, keep: Keep | None
) -> Observer:
    def keep_weights(report: ProgressEvent) -> None:
        if keep is not None and report.loss is not None:
            keep_epoch(training, store, fingerprint, keep)
        observe(report)

    return keep_weights


def _train(training: Training, observe: Observer) -> None:
    """Train to the end; a network that is read off later keeps the provenance it was trained by."""
    progress, device = training.progress, training.settings.device
    if progress.finished:
        return
    here = environment(device).model_dump()
    if here not in progress.environments:
        progress.environments.append(here)
    before = progress.peak_memory_mib
    training.run(metered(observe, training), lambda: max(before, peak_memory_mib(device) or 0.0))


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
