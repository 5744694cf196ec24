"""Finished runs evaluated from their stored logits: nothing is trained, nothing written."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from ltbench.api.compose import overrides
from ltbench.api.method import Method
from ltbench.api.task import Task
from ltbench.data.catalog import dataset
from ltbench.errors import LtbenchError, UsageError
from ltbench.evaluation.calibration import calibration, halves, temperature
from ltbench.evaluation.label_shift import Floats, Labels, Prior, image_weights
from ltbench.registry.methods import describe, parts
from ltbench.runs.artifacts import Logits, read_logits
from ltbench.runs.commands import run_command
from ltbench.runs.record import Record, one_label
from ltbench.runs.store import Cell, Store
from ltbench.runs.unit import file_of

FittedOn = Literal["held-out", "test-halves"]
Value = str | int | float | None
AS_RECORDED = "as recorded"
_ROUNDING = 0.5  # points of top-1 that float16 may move by ties


@dataclass(frozen=True)
class EvaluationGrid:
    """The ways in which every record's logits are evaluated; all are combined."""

    thresholds: tuple[tuple[int, int] | None, ...]  # many above, few below; None: the record's
    priors: tuple[Prior, ...]
    post_hoc: tuple[str, ...] = ()
    fitted_on: FittedOn | None = None  # what temperature scaling is fitted on, if it is wanted
    bins: int = 15


@dataclass(frozen=True)
class Variant:
    """Logits [N, C] after a post-hoc part."""

    name: str
    logits: Floats
    temperature: float | None = None
    fitted_on: str | None = None
    images: int | None = None  # that the temperature was fitted on

    @property
    def post_hoc(self) -> str:
        """Return the name of what was applied, nothing as recorded."""
        return "" if self.name == AS_RECORDED else self.name


def adjusting(specification: str) -> list[Method]:
    """Return the post-hoc parts of a specification, which logits alone must suffice for.

    Raises UsageError naming the part that needs the network, or is not post-hoc.
    """
    found = parts(specification)
    for part in found:
        if overrides(part) != {"adjust_logits"}:
            needs = sorted(overrides(part) - {"adjust_logits"})
            raise UsageError(
                f"{describe(part)} cannot be applied to stored logits, for it acts on "
                f"{', '.join(needs) or 'nothing'}; write it behind a method for `ltbench run`."
            )
    return found


def logits_of(record: Record, store: Store) -> Logits | None:
    """Return a record's logits, None if they are not here.

    Raises LtbenchError for logits that are damaged or are not what the record was scored by.
    """
    scores, path = one_label(record), file_of(store, record, "logits")
    if path is None:
        return None
    found = read_logits(path)
    logits, labels = found.test
    same = logits.shape[1] == len(scores.total) and labels.min(initial=0) >= 0
    same = same and tuple(np.bincount(labels, minlength=logits.shape[1])) == scores.total
    top1 = 100 * float((logits.argmax(1) == labels).mean()) if same else np.nan
    if not abs(top1 - scores.top1) <= _ROUNDING:
        raise LtbenchError(
            f"{path} is not what {Cell.of(record)} was scored by; delete it and train again."
        )
    return found


def evaluate(
    record: Record,
    logits: Logits,
    grid: EvaluationGrid,
    warn: Callable[[str], object] = warnings.warn,
) -> Iterator[dict[str, Value]]:
    """Yield a row for every way of evaluating one record; raises as `variants` does."""
    yield from scored(record, logits, variants(record, logits, grid, warn), grid)


def scored(
    record: Record, logits: Logits, found: Iterable[Variant], grid: EvaluationGrid
) -> Iterator[dict[str, Value]]:
    """Yield a row for every variant of a record's logits under every prior and threshold."""
    labels = logits.test[1]
    counts = np.asarray(record.data.class_counts)
    own = record.data.many_above, record.data.few_below
    tasks = [_task(record, *(thresholds or own)) for thresholds in grid.thresholds]
    for variant in found:
        for prior in grid.priors:
            shares = prior.shares(counts)
            for task in tasks:
                yield {
                    "dataset": record.dataset, "protocol": record.protocol,
                    "network": record.network, "method": record.method, "seed": record.seed,
                    "post_hoc": variant.name, "temperature": variant.temperature,
                    "fitted_on": variant.fitted_on, "fitted_images": variant.images,
                    "test_prior": prior.name,
                    **_scores(variant.logits, labels, task, shares, grid.bins),
                }  # fmt: skip


def _scores(
    logits: Floats, labels: Labels, task: Task, shares: Floats, bins: int
) -> dict[str, Value]:
    """Return accuracy by class and shot group, and calibration, under class shares [C]."""
    weights = image_weights(labels, shares)
    hits = logits.argmax(1) == labels
    total = np.bincount(labels, minlength=task.num_classes)
    accuracy = 100 * np.bincount(labels[hits], minlength=task.num_classes) / np.maximum(total, 1)
    member = {name: mask.numpy() & (total > 0) for name, mask in task.shots.items()}
    how = calibration(logits, labels, weights, bins)
    return {
        "many_above": task.many_above, "few_below": task.few_below,
        **{f"{name}_classes": int(mask.sum()) for name, mask in member.items()},
        "top1": 100 * float(weights @ hits),
        **{name: float(accuracy[mask].mean()) if mask.any() else None
           for name, mask in member.items()},
        "bins": bins, "calibration_error": how.error, "log_loss": how.log_loss,
        "brier": how.brier,
    }  # fmt: skip


def variants(
    record: Record, logits: Logits, grid: EvaluationGrid, warn: Callable[[str], object]
) -> Iterator[Variant]:
    """Yield a record's logits as recorded, after every post-hoc part, and scaled.

    `warn` hears of a temperature that cannot be fitted, which is left out then. Raises
    LtbenchError where temperature scaling has nothing held out to be fitted on, UsageError
    for a shifted prior and a post-hoc part that reads all test images at once.
    """
    plain = logits.test[0]
    yield Variant(AS_RECORDED, plain)
    task = _task(record, record.data.many_above, record.data.few_below)
    for specification in grid.post_hoc:
        found = adjusting(specification)
        for part in found:
            part.setup(task)
        name, adjusted = "+".join(map(describe, found)), _adjusted(plain, found)
        shifted = [prior.name for prior in grid.priors if prior.ratio != 1]
        if shifted and not np.allclose(adjusted[::2], _adjusted(plain[::2], found), atol=1e-4):
            raise UsageError(
                f"{name} reads the whole test set at once, which is balanced here, so it cannot "
                f"be evaluated under test prior {shifted[0]}; leave one of the two out."
            )
        yield Variant(name, adjusted)
    if grid.fitted_on is not None:
        fitted = (
            _by_held_out(record, logits) if grid.fitted_on == "held-out" else _by_halves(logits)
        )
        if fitted is None:
            warn(
                f"the temperature of {Cell.of(record)}: no T from 0.01 to 100 has the least log "
                "loss, for the images to fit it on are too few or too easy; hold out more"
            )
        else:
            yield fitted


def _by_held_out(record: Record, logits: Logits) -> Variant | None:
    if logits.held_out is None:
        raise LtbenchError(
            f"{Cell.of(record)} kept no training images apart to fit a temperature on; train it "
            "with `ltbench run --validation 2`, or fit on --temperature test-halves."
        )
    fitted, images = temperature(*logits.held_out), len(logits.held_out[1])
    if fitted is None:
        return None
    return Variant(
        "temperature", logits.test[0] / fitted, fitted, "held-out training images", images
    )


def _by_halves(logits: Logits) -> Variant | None:
    """Scale each half of the test images by what fits the other best; their mean is stated."""
    plain, labels = logits.test
    first = halves(labels)
    scaled, found = plain.astype(np.float64), []
    for half in (first, ~first):
        fitted = temperature(plain[~half], labels[~half])
        if fitted is None:
            return None
        scaled[half] /= fitted
        found.append(fitted)
    mean = float(np.mean(found))
    return Variant("temperature", scaled, mean, "the other half of the test set", len(labels) // 2)


def _adjusted(logits: Floats, found: Iterable[Method]) -> Floats:
    adjusted = torch.from_numpy(logits)
    for part in found:
        adjusted = part.adjust_logits(adjusted)
    return adjusted.numpy()


def _task(record: Record, many_above: int, few_below: int) -> Task:
    counts = torch.tensor(record.data.class_counts)
    return Task(counts, record.settings.get("validation", 0), many_above, few_below)


def commands(cells: Iterable[Cell], results: Path) -> dict[str, int]:
    """Return the commands that train cells again, and how many of them each.

    They go into a folder of their own beside `results`.
    """
    by_setting: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        by_setting.setdefault((cell.dataset, cell.network, cell.protocol), []).append(cell)
    named = results.resolve() if results.name in ("", "..") else results
    beside = named.with_name(f"{named.name}-again")
    return {
        run_command(
            [cell.method for cell in members], dataset(where[0]), *where[1:],
            sorted({cell.seed for cell in members}), results=beside,
        ): len(members)
        for where, members in by_setting.items()
    }  # fmt: skip
