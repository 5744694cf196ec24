"""A training of seconds on a made-up long-tailed set, for any method object."""

from pathlib import Path

import torch

from ltbench.api.method import Method
from ltbench.api.recipe import Recipe
from ltbench.data.info import DatasetInfo
from ltbench.data.readers import Split, Subset
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.fit import Training
from ltbench.engine.settings import Settings

COUNTS = (24, 12, 6, 3)
INFO = DatasetInfo(
    name="made_up", title="Made up", classes=4, head_count=24, test_count=5, shape=(3, 8, 8),
    mean=(0.5,) * 3, std=(0.25,) * 3, imbalance=8, network="resnet8", protocol="smoke",
    family="made_up", padding=1, flip=False, source="made here", reader=None,
)  # fmt: skip


def subset(counts, patterns, draw):
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    noise = torch.randint(-60, 61, (len(labels), 3, 8, 8), generator=draw)
    return Subset((patterns[labels] + noise).clamp(0, 255).to(torch.uint8), labels)


def split():
    """45 training images in 4 classes, 5 test and 2 held-out images a class."""
    draw = torch.Generator().manual_seed(0)
    patterns = torch.randint(0, 256, (4, 3, 8, 8), generator=draw)
    parts = [subset(counts, patterns, draw) for counts in (COUNTS, (5,) * 4, (2,) * 4)]
    return Split(*parts, COUNTS, "made up")


def training(
    split, method=None, *, epochs=3, seed=0, precision="float32", evaluate_every=1,
    checkpoint=None, device="cpu", **recipe,
) -> Training:  # fmt: skip
    """Return a training: three steps an epoch of ResNet-8 in float32, unless told otherwise."""
    recipe = {"batch_size": 16, "learning_rate": 0.05, "weight_decay": 5e-4, **recipe}
    settings = Settings(
        INFO, "resnet8", Recipe(epochs, **recipe), precision, evaluate_every, seed,
        torch.device(device),
    )  # fmt: skip
    return Training(method or Method(), split, settings, checkpoint)


def quiet(report):
    """Hear nothing of what a training reports."""


class Tape:
    """A saver that writes the file and keeps every version of it."""

    def __init__(self, path: Path, every: float = 0.0):
        self.path, self.versions = path, []
        self.checkpoint = Checkpoint(path, self.save_file, every)

    def save_file(self, path, write):
        with path.open("wb") as file:
            write(file)
        self.versions.append(path.read_bytes())
