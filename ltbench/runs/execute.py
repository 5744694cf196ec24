"""One training from its job to its records."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import torch

from ltbench.api.method import Method
from ltbench.api.registry import build, completed, parameters, parts_of, sources
from ltbench.data.catalog import dataset
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE
from ltbench.data.readers import Split, load
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.engine.fit import Settings, Training
from ltbench.engine.precision import device_of, threads_for
from ltbench.engine.train import DivergedError, Observer
from ltbench.errors import LtbenchError
from ltbench.evaluation.metrics import scores_of
from ltbench.runs.artifacts import LOGITS, write_curves, write_logits
from ltbench.runs.environment import environment, peak_memory_mib
from ltbench.runs.files import write_file
from ltbench.runs.lock import locked
from ltbench.runs.plan import Job, cell_fingerprint, stages_of
from ltbench.runs.protocol import Protocol
from ltbench.runs.record import Cost, Data, Environment, Failure, FirstStage, Record
from ltbench.runs.store import Cell, Store


@dataclass(frozen=True)
class Workspace:
    """Where trainings happen and where their records go."""

    results: Path
    data: Path
    device: str = "auto"
    checkpoint_every: float = 30.0  # seconds
    force: bool = False  # train again what is finished


def training_of(job: Job, workspace: Workspace) -> Training:
    """Return the training of a job, as far as its checkpoint has it."""
    protocol = job.protocol
    settings = Settings(
        info=job.dataset.info,
        network=job.network,
        recipe=protocol.recipe(),
        precision=protocol.precision,
        evaluate_every=protocol.evaluate_every,
        seed=job.seed,
        device=device_of(workspace.device),
    )
    path = Store(workspace.results).work(job.fingerprint) / "checkpoint.pt"
    checkpoint = Checkpoint(path, write_file, workspace.checkpoint_every)
    if workspace.force and _is_over(checkpoint):
        path.unlink()
    if settings.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(settings.device)
    training = Training(build(job.trained), split_of(job, workspace), settings, checkpoint)
    training.resume()
    return training


def split_of(job: Job, workspace: Workspace) -> Split:
    """Return the job's data, read once a process for consecutive jobs on the same split."""
    protocol = job.protocol
    return _split(
        str(job.dataset),
        workspace.data,
        protocol.subset_seed,
        protocol.validation,
        protocol.fraction,
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
            own = cell_fingerprint(cell, build(cell.method), job.protocol)
            store.sweep(cell, job.fingerprint, own)
        found = {} if workspace.force else {cell: store.read(cell) for cell in job.cells}
        done = {cell: record for cell, record in found.items() if record is not None}
        missing = [cell for cell in job.cells if cell not in done]
        if missing:
            try:
                training = training_of(job, workspace)
                _begin(training, job, workspace, observe, wait)
                _train(training, observe)
                done |= {cell: _finish(cell, job, training, workspace) for cell in missing}
            except BrokenPipeError:
                raise  # whoever watched has gone; the run itself did not fail
            except Exception as error:
                _record_failure(error, missing, store, workspace)
                raise
    return [done[cell] for cell in job.cells]


def _begin(
    training: Training, job: Job, workspace: Workspace, observe: Observer, wait: Callable[[], None]
) -> None:
    """Take up a first stage that is another training, once that is finished: by now or now.

    `--force` does not reach it: to train it anew, force the method it is the training of.
    """
    if job.first_stage is None or training.progress.epochs_done:
        return
    with locked(Store(workspace.results).work(job.first_stage.fingerprint), wait):
        first = training_of(job.first_stage, replace(workspace, force=False))
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
    training.run(observe, lambda: max(before, peak_memory_mib(device)))


def _is_over(checkpoint: Checkpoint) -> bool:
    """Return whether a checkpoint is of a finished run, or of no use; one under way goes on."""
    try:
        content = checkpoint.load()
        return content is not None and bool(content["progress"]["finished"])
    except LtbenchError:
        return True


def _finish(cell: Cell, job: Job, training: Training, workspace: Workspace) -> Record:
    """Evaluate a trained network for one cell, and write curves, logits and the record."""
    method = completed(training.method, cell.method)
    post_hoc = method is not training.method
    if post_hoc:
        method.setup(training.task)  # the post-hoc parts only; what was trained keeps its state
    store, feed, progress = Store(workspace.results), training.test, training.progress
    final = finalised(method, training.network)
    logits = logits_of(method, final, feed, training.autocast)
    split = split_of(job, workspace)
    sessions = progress.environments or [environment(training.settings.device).model_dump()]
    record = Record(
        dataset=cell.dataset,
        network=cell.network,
        method=cell.method,
        trained=job.trained,
        protocol=cell.protocol,
        seed=cell.seed,
        fingerprint=cell_fingerprint(cell, method, job.protocol),
        parameters=parameters(method),
        sources=sources(method),
        settings=job.protocol.model_dump(),
        stages=stages_of(method, job.protocol),
        first_stage=_first_stage(job, training),
        data=Data(
            class_counts=split.class_counts,
            indices_sha256=split.indices_sha256,
            many_above=MANY_ABOVE,
            few_below=FEW_BELOW,
            test_images=len(split.test.labels),
        ),
        last=scores_of(logits, feed.subset.labels, training.task, progress.epochs_done),
        # What was seen during training was seen without the post-hoc parts.
        best=None if post_hoc else training.scores("best"),
        selected=None if post_hoc else training.scores("selected"),
        cost=Cost(
            train_seconds=progress.train_seconds,
            first_stage_seconds=progress.first_stage_seconds,
            evaluate_seconds=progress.evaluate_seconds,
            steps=progress.steps,
            images_per_second=progress.images / progress.train_seconds,
            peak_memory_mib=progress.peak_memory_mib,
            parameters=sum(parameter.numel() for parameter in final.parameters()),
        ),
        environment=Environment(**sessions[-1]),
        deviations=_deviations(method, job.protocol, len(sessions)),
        finished=_now(),
    )
    write_curves(store.curves_path(cell), progress.curves)
    held_out = None
    if (held := training.validation) is not None:
        held_out = logits_of(method, final, held, training.autocast), held.subset.labels
    write_logits(store.work(record.fingerprint) / LOGITS, (logits, feed.subset.labels), held_out)
    store.write(record)
    return record


def _first_stage(job: Job, training: Training) -> FirstStage | None:
    if job.first_stage is None or not training.progress.first_stage_seconds:
        return None
    return FirstStage(of=job.first_stage.trained, fingerprint=job.first_stage.fingerprint)


def _deviations(method: Method, protocol: Protocol, environments: int) -> list[str]:
    """Return where this run departs from the papers, harness and method."""
    ours = []
    if protocol.precision == "bfloat16":
        ours.append("forward passes in bfloat16 autocast over float32 weights")
    if environments > 1:
        ours.append(f"trained in {environments} environments; the last one is recorded")
    return ours + [line for part in parts_of(method) for line in part.deviations]


def _record_failure(
    error: Exception, cells: list[Cell], store: Store, workspace: Workspace
) -> None:
    """Leave word why cells have no record; the error itself is raised on."""
    diverged = error if isinstance(error, DivergedError) else None
    here = environment(device_of(workspace.device))
    for cell in cells:
        store.write_failure(
            Failure(
                dataset=cell.dataset,
                network=cell.network,
                method=cell.method,
                protocol=cell.protocol,
                seed=cell.seed,
                error=str(error) if isinstance(error, LtbenchError) else repr(error),
                epoch=diverged.epoch if diverged else None,
                step=diverged.step if diverged else None,
                environment=here,
                finished=_now(),
            )
        )


@lru_cache(maxsize=2)
def _split(
    specification: str, root: Path, subset_seed: int, validation: int, fraction: float
) -> Split:
    return load(
        dataset(specification),
        root,
        subset_seed=subset_seed,
        validation=validation,
        fraction=fraction,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
