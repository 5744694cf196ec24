"""A tiny synthetic long-tailed task, on which conformance is checked in seconds."""

import copy
import random
from collections.abc import Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ltbench.api.method import Method, Step
from ltbench.api.recipe import Recipe
from ltbench.api.task import Clock
from ltbench.data.info import DatasetInfo
from ltbench.data.kind import Kind
from ltbench.data.readers import Split, Subset
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings
from ltbench.engine.train import ProgressEvent, optimiser_for, put_in_training
from ltbench.networks import SMALLEST
from ltbench.registry.kinds import kinds_of
from ltbench.registry.methods import build

DEVICE: ContextVar[str] = ContextVar("device", default="cpu")  # that trainings are made on
CLASSES, SIDE, EPOCHS = 6, 8, 3
COUNTS = (40, 20, 10, 6, 3, 1)  # one class has a single image, as tails do
INFO = DatasetInfo(
    name="synthetic", title="Synthetic", classes=CLASSES, head_count=COUNTS[0], test_count=8,
    shape=(3, SIDE, SIDE), mean=(0.5,) * 3, std=(0.25,) * 3, imbalance=40, network="resnet8",
    protocol="smoke", family="synthetic", padding=1, flip=False, source="made here", reader=None,
)  # fmt: skip


def split(seed: int = 0, kind: Kind = "single") -> Split:
    """Return a tiny long-tailed set whose classes differ in brightness pattern.

    Of several labels an image, every image has its class's and the next class's pattern and label.
    """
    return _made(COUNTS, 8, SIDE, seed, kind)


def drawn_split(seed: int, kind: Kind = "single") -> Split:
    """Return another such set: 7 to 15 classes, of other counts, sizes and test images."""
    dice = random.Random(seed)
    classes, head = dice.randint(7, 15), dice.randint(25, 50)
    counts = [max(1, int(head * dice.uniform(0.6, 0.8) ** c)) for c in range(classes)]
    tested, side = dice.randint(3, 9), dice.choice((8, 10, 12))
    return _made(sorted(counts, reverse=True), tested, side, seed, kind)


def _made(counts: Sequence[int], tested: int, side: int, seed: int, kind: Kind) -> Split:
    draw = torch.Generator().manual_seed(seed)
    patterns = torch.randint(0, 256, (len(counts), 3, side, side), generator=draw)

    def subset(counts: Sequence[int]) -> Subset:
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        noise = torch.randint(-40, 41, (len(labels), 3, side, side), generator=draw)
        if kind == "single":
            images = patterns[labels] + noise
        else:
            own = torch.eye(len(counts))
            images = (patterns[labels] + patterns.roll(-1, dims=0)[labels]) // 2 + noise
            labels = (own + own.roll(1, dims=1))[labels]
        return Subset(images.clamp(0, 255).to(torch.uint8), labels)

    train, test = subset(counts), subset([tested] * len(counts))
    own_counts = train.labels.sum(0).long() if kind == "multi" else torch.tensor(counts)
    return Split(train, test, None, tuple(own_counts.tolist()), "synthetic")


def training(
    specification: str,
    epochs: int = EPOCHS,
    data: Split | None = None,
    *,
    batch_size: int = 32,
    learning_rate: float = 0.05,
    warmup_epochs: int = 0,
) -> Training:
    """Return a short training of a method on the synthetic task, in float32 on `DEVICE`."""
    recipe = Recipe(epochs, batch_size, learning_rate, 2e-4, warmup_epochs=warmup_epochs)
    method = build(specification)
    kind = kind_of(method)
    data = data or split(kind=kind)
    _, channels, height, width = data.train.pictures(torch.arange(1), SIDE).shape
    shape = (channels, height, width)
    names = tuple(f"pattern {number}" for number in range(len(data.class_counts)))
    info = replace(INFO, classes=len(names), class_names=names, shape=shape, kind=kind)
    settings = Settings(
        info, SMALLEST[method.network_library], recipe, "float32", 1, 0, torch.device(DEVICE.get())
    )
    return Training(method, data, settings)


def kind_of(method: Method) -> Kind:
    """Return the task kind that a method is checked on: one label an image where it takes that."""
    return "single" if "single" in kinds_of(method) else "multi"


def first_step(work: Training, epoch: int = 0) -> Step:
    """Return the first step of an epoch of the first stage."""
    stage = work.stages[0]
    method = stage.method or work.method
    recipe = stage.recipe
    batch = next(work.train.epoch(method.views, stage.sampler, recipe.batch_size, False, seed=7))
    put_in_training(work.network, stage)
    optimiser_for(work.network, stage).zero_grad()
    return Step(
        method, work.network, batch, Clock(stage.name, epoch, recipe.epochs, 0, 3, 0, recipe)
    )


def interrupted(specification: str) -> Training:
    """Return a training that takes up where another was interrupted in its second epoch."""
    memory = _Memory()
    broken, taken_up = training(specification), training(specification)
    broken.checkpoint = taken_up.checkpoint = memory
    with suppress(_StopHere):
        broken.run(_stop_in_the_second_epoch)
    taken_up.resume()
    return taken_up


class _StopHere(Exception):  # noqa: N818  (not an error)
    """An interruption."""


def _stop_in_the_second_epoch(report: ProgressEvent) -> None:
    if report.epoch == 1 and report.step:
        raise _StopHere


class _Memory(Checkpoint):
    """A checkpoint of every epoch that is not a file."""

    def __init__(self) -> None:
        super().__init__(Path(), lambda path, fill: None, every=0.0)
        self.kept: list[dict[str, Any]] = []

    def load(self) -> dict[str, Any] | None:
        """Return a copy of the latest content."""
        return copy.deepcopy(self.kept[-1]) if self.kept else None

    def save(self, content: dict[str, Any]) -> None:
        """Keep the content."""
        self.kept.append(content)
