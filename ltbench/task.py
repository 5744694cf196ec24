"""What a method is told: the task, the batch before it, and where training stands."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from ltbench.data.catalog import FEW_BELOW, MANY_ABOVE


def seed_of(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for one purpose of a run, so that no purpose disturbs another."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


class Batch(NamedTuple):
    """A mini-batch of B training images."""

    views: tuple[Tensor, ...]  # each [B, channels, height, width], normalised
    targets: Tensor  # [B], int64
    indices: Tensor  # [B], int64: positions in the training set
    partners: Tensor | None = None  # [B], int64: the labels of what is mixed into the images
    share: Tensor | None = None  # [B]: of the own label in the loss; the partner has the rest

    @property
    def images(self) -> Tensor:
        """Return the first view."""
        return self.views[0]

    def select(self, member: Tensor) -> "Batch":
        """Return the images that a boolean mask or an index tensor picks."""
        views = tuple(view[member] for view in self.views)
        rest = (None if part is None else part[member] for part in self[1:])
        return Batch(views, *rest)  # type: ignore[arg-type]  # only the last two may be None


@dataclass(frozen=True)
class Task:
    """What a method may know about the training set."""

    class_counts: Tensor  # [C], int64: training images per class
    held_out: int = 0  # images per class kept from training for validation; shots count them
    many_above: int = MANY_ABOVE
    few_below: int = FEW_BELOW

    @property
    def num_classes(self) -> int:
        """Return C."""
        return len(self.class_counts)

    @cached_property
    def priors(self) -> Tensor:
        """Return the class shares n_c / N, [C]."""
        return self.class_counts / self.class_counts.sum()

    def effective_weights(self, beta: float) -> Tensor:
        """Return (1 - beta) / (1 - beta^{n_c}), inverse effective numbers, of mean 1, [C].

        Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, Eq. 2.
        """
        weights = (1 - beta) / (1 - beta ** self.class_counts.double())
        return (weights / weights.mean()).float()

    @cached_property
    def shots(self) -> dict[str, Tensor]:
        """Return boolean masks [C] of the many-, medium- and few-shot classes."""
        counts = self.class_counts + self.held_out
        many, few = counts > self.many_above, counts < self.few_below
        return {"many": many, "medium": ~many & ~few, "few": few}


@dataclass(frozen=True)
class Clock:
    """Where training stands; epochs and steps count from zero within the stage."""

    stage: str
    epoch: int
    epochs: int
    step: int = 0  # within the epoch
    steps: int = 1  # of one epoch
    seed: int = 0  # of the run

    @property
    def progress(self) -> float:
        """Return the share of the stage's epochs that are finished, in [0, 1)."""
        return self.epoch / self.epochs

    def generator(self, purpose: str) -> torch.Generator:
        """Return a CPU generator for one purpose at this step: the same clock, the same numbers.

        Randomness inside `losses` drawn from here keeps them a pure function.
        """
        seed = seed_of(self.seed, purpose, self.stage, self.epoch, self.step)
        return torch.Generator().manual_seed(seed)
