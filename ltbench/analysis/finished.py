"""From a record with kept weights to what analyses look at."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import nn

from ltbench.analysis.subject import FinishedRun, RunImages, Sample, check_finite, outputs
from ltbench.api.compose import Compose
from ltbench.api.method import Step
from ltbench.api.task import Clock
from ltbench.data.batch import seed_of
from ltbench.data.catalog import CATALOG, dataset
from ltbench.data.feed import Feed
from ltbench.data.info import DatasetInfo
from ltbench.data.readers import Split, Subset, read
from ltbench.engine.evaluate import finalised
from ltbench.engine.fit import Training
from ltbench.engine.isolation import seed_all
from ltbench.engine.train import epoch_batches
from ltbench.errors import LtbenchError
from ltbench.registry.methods import build, completed, describe
from ltbench.registry.signatures import canonical
from ltbench.runs.commands import run_command
from ltbench.runs.files import read_record
from ltbench.runs.kept import epochs_in, restore
from ltbench.runs.protocol import protocol_of
from ltbench.runs.record import Record, one_label
from ltbench.runs.store import Cell, Store
from ltbench.runs.training import settings_of, split_under
from ltbench.runs.unit import file_of
from ltbench.specification import Term, parse_one

_NOISE = 2000  # images of noise that nothing was trained on
_FAR = 1.0  # points of top-1 by which float32 may differ from a training's own precision


def weights_path(record: Record, store: Store) -> Path:
    """Return the file of a record's weights; raises LtbenchError, with the command, for none."""
    path = file_of(store, record, "weights")
    if path is None:
        cell = Cell.of(record)
        command = run_command(
            [cell.method], dataset(cell.dataset), cell.network, cell.protocol, [cell.seed],
            results=store.root,
        )  # fmt: skip
        if "weights" in record.files:
            raise LtbenchError(
                f"the weights of {cell} are not here; put {store.weights_path(cell).name} beside "
                f"the record, or train again: `{command} --keep weights --force`."
            )
        raise LtbenchError(
            f"{cell} kept no weights; `{command} --keep weights --force` trains it again and "
            "keeps them."
        )
    return path


def record_at(path: Path, store: Store) -> tuple[Record, Store]:
    """Return a record's file and the store that it lies in: another than the given one, maybe.

    Raises FileNotFoundError where there is none, LtbenchError where it does not read.
    """
    record = read_record(path)
    place = path.resolve()
    around = place.parents[min(5, len(place.parents) - 1)]  # runs/data/protocol/network/method
    if Store(around).path(Cell.of(record)) == place:
        return record, Store(around) if around != store.root.resolve() else store
    return record, store


def finished(
    record: Record, store: Store, root: Path, device: torch.device
) -> tuple[FinishedRun, RunImages]:
    """Return a finished run and its images.

    Raises LtbenchError for a data set that does not fit the memory, where the run kept no weights,
    where they do not fit or are no numbers, and where they predict otherwise than the record says.
    """
    if dataset(record.dataset).info.streamed:
        raise LtbenchError(
            f"{Cell.of(record)} cannot be analysed: {record.dataset} is streamed from its file and "
            "analyses hold all images in memory; choose runs on another data set."
        )
    one_label(record)
    path = weights_path(record, store)
    split = _split_of(record, root)
    restored = lru_cache(maxsize=2)(partial(_restored, record, path, split, device))
    last = restored(record.last.epoch)
    method = completed(last.method, record.method)
    if method is not last.method:
        method.setup(last.method_task)

    @lru_cache(maxsize=2)
    def beside(method: str, tail_only: bool) -> FinishedRun:
        other = _beside(record, store, method, tail_only=tail_only)
        return finished(other, store, root, device)[0]

    run = FinishedRun(
        name=str(Cell.of(record)), seed=record.seed, class_counts=split.class_counts,
        shots=record.shots(), epochs=epochs_in(path), predict=method.predict,
        network=lru_cache(maxsize=2)(lambda epoch: _network(record, restored(epoch))),
        adjust=method.adjust_logits, steps=lambda epoch: _steps(restored(epoch)),
        beside=beside,
        weights_sha256=record.files["weights"], tail_only=bool(record.settings.get("tail_only")),
    )  # fmt: skip
    held = last.feeds.get("validation")
    data = RunImages(
        _sample("train", last.train, run.classes), _sample("test", last.test, run.classes),
        None if held is None else _sample("held-out", held, run.classes),
        _unknown(dataset(record.dataset).info, root, device, run.classes),
    )  # fmt: skip
    _check(record, run, data)
    return run, data


def _split_of(record: Record, root: Path) -> Split:
    data = dataset(record.dataset)
    protocol = protocol_of(record.protocol, data.info)
    split = split_under(protocol, data, root, download=False)
    if split.indices_sha256 != record.data.indices_sha256:
        raise LtbenchError(
            f"{Cell.of(record)} was trained on other images than {record.dataset} has under "
            f"{root}; name the folder with --data-root."
        )
    return split


def _restored(
    record: Record, path: Path, split: Split, device: torch.device, epoch: int
) -> Training:
    data = dataset(record.dataset)
    protocol = protocol_of(record.protocol, data.info)
    settings = settings_of(data, record.network, protocol, seed=record.seed, device=device)
    exact = replace(settings, precision="float32")
    training = Training(build(record.trained), split, exact)
    if epoch:
        restore(training, path, epoch)
    elif protocol.pretrained:
        raise LtbenchError(
            f"{Cell.of(record)} began from pretrained weights, which its record does not keep; "
            "name a run that began from random ones."
        )
    training.network.to(memory_format=torch.contiguous_format)
    check_finite(training.network, f"{Cell.of(record)} at epoch {epoch}")
    return training


def _beside(record: Record, store: Store, method: str, *, tail_only: bool) -> Record:
    """Return the record of another method that differs from a record's run in nothing else.

    An empty method is the base that the run's is made of, without what modifies it. With
    `tail_only` the one that trained on the tail's images alone. Raises LtbenchError, with the
    command, where there is none.
    """
    data = dataset(record.dataset)
    term = parse_one(record.protocol, "protocol")
    fields = {**term.parameters, **({"tail_only": True} if tail_only else {})}
    protocol = protocol_of(str(Term(term.name, term.variant, fields)), data.info).specification
    cell = Cell(
        record.dataset, protocol, record.network, canonical(method or _base_of(record)), record.seed
    )
    other = store.read(cell)
    if other is None:
        command = run_command(
            [cell.method], data, cell.network, protocol, [cell.seed], results=store.root
        )
        raise LtbenchError(f"{cell} has not run; `{command} --keep snapshots:1` trains it.")
    return other


def _base_of(record: Record) -> str:
    method = build(record.method)
    return describe(method.base if isinstance(method, Compose) else method)


def _network(record: Record, training: Training) -> nn.Module:
    if not training.progress.epoch and not training.progress.stage:
        first: nn.Module = training.network.eval()  # when there is nothing to finish yet
        return first
    return finalised(completed(training.method, record.method), training.network)


def _sample(view: str, feed: Feed, classes: int) -> Sample:
    images = feed.normalise(feed.subset.images).contiguous()
    return Sample(view, images, feed.subset.labels, classes)


def _unknown(
    info: DatasetInfo, root: Path, device: torch.device, classes: int
) -> dict[str, Callable[[], Sample]]:
    """Return images of other classes: noise, and the test sets of the same shape that are known."""

    def noise() -> Sample:
        draw = torch.Generator().manual_seed(seed_of(0, "noise"))
        images = torch.randn(_NOISE, *info.shape, generator=draw).to(device)
        labels = torch.full((_NOISE,), -1, device=device)
        return Sample("noise", images, labels, classes)

    def others(other: DatasetInfo) -> Sample:
        arrays = read(other, root, download=False)
        images = torch.from_numpy(arrays.test_images).permute(0, 3, 1, 2).contiguous()
        labels = torch.full((len(images),), -1)
        feed = Feed(info, Subset(images, labels).to(device))  # normalised as the known ones are
        return Sample(other.name, feed.normalise(feed.subset.images).contiguous(), labels, classes)

    alike = [
        each for each in CATALOG.values()
        if each.shape == info.shape and each.reader not in (None, info.reader)
    ]  # fmt: skip
    return {"noise": noise, **{each.name: partial(others, each) for each in alike}}


def _steps(training: Training) -> Iterator[Step]:
    """Yield the steps that the training would take next, or took last where it has ended."""
    position = min(training.progress.stage, len(training.stages) - 1)
    stage = training.stages[position]
    recipe, method = stage.recipe, stage.method or training.method
    epoch = min(training.progress.epoch, recipe.epochs - 1)
    if training.progress.stage == len(training.stages):
        epoch = recipe.epochs - 1
    seed, feed = training.settings.seed, training.train
    steps = feed.steps(recipe.batch_size, recipe.drop_last, stage.sampler)
    start = Clock(stage.name, epoch, recipe.epochs, 0, steps, seed, recipe)
    seed_all(seed, "views", stage.name, epoch)
    for number, batch in enumerate(epoch_batches(feed, method, stage, start)):
        seed_all(seed, "step", stage.name, epoch, number)
        yield Step(method, training.network, batch, replace(start, step=number))


def _check(record: Record, run: FinishedRun, data: RunImages) -> None:
    """Raise LtbenchError where the weights do not predict what the record was scored by."""
    logits = run.adjust(outputs(run, run.network(record.last.epoch), data.test))
    top1 = 100 * float((logits.argmax(1) == data.test.labels).double().mean())
    if not abs(top1 - record.headline) <= _FAR:
        raise LtbenchError(
            f"the kept weights of {Cell.of(record)} have top-1 {top1:.2f} and the record says "
            f"{record.headline:.2f}: the method's code is another by now; train it again."
        )
