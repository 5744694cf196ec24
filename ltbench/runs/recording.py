"""What a training leaves in the store: records with curves and logits, or why it stopped."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from torch import Tensor

from ltbench.api.compose import leaves, name_of, overrides
from ltbench.api.method import Method
from ltbench.data.category_names import names_sha256
from ltbench.data.readers import Split, pixels_sha256
from ltbench.engine.evaluate import finalised, is_transductive, logits_of
from ltbench.engine.fit import Training
from ltbench.engine.precision import has_bfloat16
from ltbench.engine.train import DivergedError
from ltbench.errors import LtbenchError, UsageError, counted, located
from ltbench.evaluation.scores import TITLES
from ltbench.evaluation.selection import Selection
from ltbench.registry.methods import completed, parts_of
from ltbench.runs.artifacts import curves_csv, logits_npz
from ltbench.runs.energy import joules_of
from ltbench.runs.environment import environment
from ltbench.runs.identity import Identity
from ltbench.runs.plan import Job
from ltbench.runs.record import (
    IN_FLOAT32,
    TRANSDUCTIVE,
    Cost,
    DataFacts,
    Environment,
    Failure,
    FirstStage,
    Record,
    same_result,
)
from ltbench.runs.store import Cell, Store
from ltbench.runs.unit import TakenError, set_aside, write_unit


@dataclass(frozen=True)
class Evaluated:
    """What a training gives a cell: the record, and what is written beside it."""

    record: Record
    logits: Tensor  # [N, C] of the test images
    held_out: Tensor | None  # [M, C] of the images held out, if any are
    curves: bytes
    weights: bytes | None  # where the run keeps them


def evaluate_cell(
    cell: Cell, job: Job, training: Training, split: Split, weights: bytes | None = None
) -> Evaluated:
    """Evaluate a trained network for one cell; nothing is written."""
    method = completed(training.method, cell.method)
    post_hoc = method is not training.method
    if post_hoc:
        method.setup(training.method_task)  # the post-hoc parts only; others keep theirs
    progress, network = training.progress, finalised(method, training.network)
    logits = {
        name: logits_of(method, network, feed, training.autocast)
        for name, feed in training.feeds.items()
    }
    sessions = progress.environments or [environment(training.settings.device).model_dump()]
    own = Identity.of(method, job.protocol)
    record = Record(
        dataset=cell.dataset,
        network=cell.network,
        method=cell.method,
        trained=job.trained,
        protocol=cell.protocol,
        seed=cell.seed,
        fingerprint=job.fingerprint_of(cell),
        parameters=own.parameters,
        sources=own.sources,
        versions=own.versions,
        code=own.code,
        settings=job.protocol.model_dump(),
        stages=own.stages,
        first_stage=_first_stage(job, training),
        data=_data(split, training, method),
        pretrained_sha256=progress.pretrained_sha256,
        last=training.score(logits["test"], "test", progress.epochs_done),
        # What was seen during training was seen without the post-hoc parts.
        best=None if post_hoc else training.scores(Selection.BEST_TEST),
        selected=None if post_hoc else training.scores(Selection.VALIDATION),
        cost=_cost(training, network),
        environment=Environment(**sessions[-1]),
        deviations=[
            *_deviations(method, job, training),
            *_unstated(method, network, training, logits["test"]),
        ],
        finished=_now(),
    )
    curves = curves_csv(progress.curves)
    return Evaluated(record, logits["test"], logits.get("validation"), curves, weights)


def write_cell(found: Evaluated, split: Split, store: Store, before: bytes | None) -> Record:
    """Write a cell's record with its curves and logits, as one unit, and return it.

    It takes the place of `before`, what was there when the training began. What has come since is
    kept: returned where it says the same, else TakenError is raised.
    """
    record = found.record
    with suppress(LtbenchError):  # what does not read is replaced
        old = store.read(Cell.of(record))
        if old is not None and old.sources != record.sources:
            set_aside(store, old)
    held_out = None
    if split.validation is not None and found.held_out is not None:
        held_out = found.held_out, split.validation.labels
    files = {
        "curves": found.curves, "logits": logits_npz((found.logits, split.test.labels), held_out),
    }  # fmt: skip
    if found.weights is not None:
        files["weights"] = found.weights
    try:
        return write_unit(store, record, files, before)
    except TakenError:
        return _taken(record, store)


def _taken(record: Record, store: Store) -> Record:
    """Return the record that has come while this one was trained; raises TakenError for another."""
    cell = Cell.of(record)
    there = store.read(cell)
    if there is not None and same_result(there, record):
        return there
    title = TITLES[record.metric]
    found = "another record" if there is None else f"one with {title} {there.headline:.2f}"
    raise TakenError(
        f"{cell} was filled by {found} while it was trained here, to {record.headline:.2f}; "
        "that one is kept, and --force trains it again in its place."
    )


def record_failure(
    error: BaseException, cells: Iterable[Cell], device: torch.device, store: Store
) -> None:
    """Write for every cell why it has no record; the caller raises the error."""
    diverged = error if isinstance(error, DivergedError) else None
    for cell in cells:
        store.write_failure(
            Failure(
                dataset=cell.dataset,
                network=cell.network,
                method=cell.method,
                protocol=cell.protocol,
                seed=cell.seed,
                error=str(error) if isinstance(error, LtbenchError) else located(error),
                epoch=diverged.epoch if diverged else None,
                step=diverged.step if diverged else None,
                environment=environment(device),
                finished=_now(),
            )
        )


def _data(split: Split, training: Training, method: Method) -> DataFacts:
    task = training.task
    reads = split.class_names and any(part.network_library for part in leaves(method))
    return DataFacts(
        class_counts=split.class_counts,
        indices_sha256=split.indices_sha256,
        pixels_sha256=pixels_sha256(split),
        many_above=task.many_above,
        few_below=task.few_below,
        test_images=len(split.test.labels),
        training_images=len(split.train.labels) if task.kind == "multi" else None,
        skipped=tuple(training.progress.skipped),
        names_sha256=names_sha256(split.class_names) if reads else "",
    )


def _cost(training: Training, network: torch.nn.Module) -> Cost:
    progress, first = training.progress, None
    if progress.first_stage_seconds:
        first = joules_of(progress.curves[: training.stages[0].recipe.epochs])
    return Cost(
        train_seconds=progress.train_seconds,
        first_stage_seconds=progress.first_stage_seconds,
        evaluate_seconds=progress.evaluate_seconds,
        waited_seconds=progress.waited_seconds,
        steps=progress.steps,
        images_per_second=progress.images / progress.train_seconds,
        peak_memory_mib=progress.peak_memory_mib or None,
        joules=joules_of(progress.curves),
        first_stage_joules=first,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def _first_stage(job: Job, training: Training) -> FirstStage | None:
    if job.first_stage is None or not training.progress.first_stage_seconds:
        return None
    return FirstStage(of=job.first_stage.trained, fingerprint=job.first_stage.fingerprint)


def _deviations(method: Method, job: Job, training: Training) -> list[str]:
    """Return where this run departs from the papers: harness, images and method."""
    ours, progress = [], training.progress
    environments = len(progress.environments)
    if job.protocol.precision == "bfloat16":
        how = "" if has_bfloat16(training.settings.device) else IN_FLOAT32
        ours.append(f"forward passes in bfloat16 autocast over float32 weights{how}")
    if environments > 1:
        ours.append(f"trained in {environments} environments; the last one is recorded")
    if progress.skipped:
        count = counted(len(progress.skipped), "training image")
        ours.append(f"{count} left out that did not read (data.skipped)")
    ours += job.dataset.info.deviations
    return ours + [line for part in parts_of(method) for line in stated_deviations(part)]


def _unstated(
    method: Method, network: torch.nn.Module, training: Training, logits: Tensor
) -> list[str]:
    """Return that a method predicts of all test images at once, where it does not say so itself."""
    parts = parts_of(method)
    if not any(overrides(part) & {"predict", "adjust_logits"} for part in parts):
        return []  # nothing of it sees more than one image's logits
    if any(line.startswith(TRANSDUCTIVE) for part in parts for line in stated_deviations(part)):
        return []
    if not is_transductive(method, network, training.test, training.autocast, logits):
        return []
    return [f"{TRANSDUCTIVE}: predictions change when half of the test images are left out"]


def stated_deviations(part: Method) -> tuple[str, ...]:
    """Return where a part says that it departs from its paper; raises UsageError for no texts."""
    stated = part.deviations
    if not isinstance(stated, tuple | list) or not all(isinstance(each, str) for each in stated):
        raise UsageError(
            f"{name_of(part)} has deviations that are no tuple of texts; "
            'write deviations = ("one sentence",).'
        )
    return tuple(stated)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
