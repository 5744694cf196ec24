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

from ltbench.api.method import Step
from ltbench.api.recipe import Recipe
from ltbench.api.registry import build
from ltbench.api.task import Clock
from ltbench.data.catalog import DatasetInfo
from ltbench.data.readers import Split, Subset
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Settings, Training
from ltbench.engine.train import ProgressEvent, optimiser_for

DEVICE: ContextVar[str] = ContextVar("device", default="cpu")  # that trainings are made on
CLASSES, SIDE, EPOCHS = 6, 8, 3
COUNTS = (40, 20, 10, 6, 3, 1)  # one class has a single image, as tails do
INFO = DatasetInfo(
    name="synthetic", title="Synthetic", classes=CLASSES, head_count=COUNTS[0], test_count=8,
    shape=(3, SIDE, SIDE), mean=(0.5,) * 3, std=(0.25,) * 3, imbalance=40, network="resnet8",
    protocol="smoke", family="synthetic", padding=1, flip=False, source="made here", reader=None,
)  # fmt: skip


def split(seed: int = 0) -> Split:
    """Return a tiny long-tailed set whose classes differ in brightness pattern."""
    return _made(COUNTS, 8, SIDE, seed)


def drawn_split(seed: int) -> Split:
    """Return another such set: 7 to 15 classes, of other counts, sizes and test images."""
    dice = random.Random(seed)
    classes, head = dice.randint(7, 15), dice.randint(25, 50)
    counts = [max(1, int(head * dice.uniform(0.6, 0.8) ** place)) for place in range(classes)]
    return _made(sorted(counts, reverse=True), dice.randint(3, 9), dice.choice((8, 10, 12)), seed)


def _made(counts: Sequence[int], tested: int, side: int, seed: int) -> Split:
    draw = torch.Generator().manual_seed(seed)
    patterns = torch.randint(0, 256, (len(counts), 3, side, side), generator=draw)

    def subset(counts: Sequence[int]) -> Subset:
        labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
        noise = torch.randint(-40, 41, (len(labels), 3, side, side), generator=draw)
        images = (patterns[labels] + noise).clamp(0, 255).to(torch.uint8)
        return Subset(images, labels)

    return Split(subset(counts), subset([tested] * len(counts)), None, tuple(counts), "synthetic")


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
    data = data or split()
    _, channels, height, width = data.train.pictures(torch.arange(1), SIDE).shape
    shape = (channels, height, width)
    info = replace(INFO, classes=len(data.class_counts), shape=shape)
    settings = Settings(info, "resnet8", recipe, "float32", 1, 0, torch.device(DEVICE.get()))
    return Training(build(specification), data, settings)


def first_step(work: Training, epoch: int = 0) -> Step:
    """Return the first step of an epoch of the first stage."""
    stage = work.stages[0]
    method = stage.method or work.method
    recipe = stage.recipe
    batch = next(work.train.epoch(method.views, stage.sampler, recipe.batch_size, False, seed=7))
    work.network.train()
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
