"""Samplers: the order of one epoch as N indices into the training set, or 2 N."""

from collections.abc import Callable

import torch
from torch import Tensor

from ltbench.errors import unknown


def instance_balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random permutation: every image once."""
    return torch.randperm(len(labels), generator=generator)


def class_balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return N draws with replacement, every class equally likely (Kang et al. 2020)."""
    return _weighted(labels, generator, power=1.0)


def square_root(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return N draws with replacement, classes in proportion to the root of their counts."""
    return _weighted(labels, generator, power=0.5)


def reversed_pairs(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return 2 N indices: every image once, at even places, each followed by a reversed draw.

    Reversed draws take a class with probability proportional to 1 / n_c (Zhou et al. 2020).
    """
    return _pairs(labels, generator, power=2.0)


def balanced_pairs(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return 2 N indices: every image once, at even places, each followed by a balanced draw.

    Balanced draws take every class equally likely, with replacement.
    """
    return _pairs(labels, generator, power=1.0)


SAMPLERS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "instance_balanced": instance_balanced,
    "class_balanced": class_balanced,
    "square_root": square_root,
    "reversed_pairs": reversed_pairs,
    "balanced_pairs": balanced_pairs,
}
# Draws of an epoch, an image; of every other sampler one.
DRAWS = {"reversed_pairs": 2, "balanced_pairs": 2}


def order(sampler: str, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an epoch's order, int64 on the CPU; raises UsageError for an unknown sampler."""
    if sampler not in SAMPLERS:
        raise unknown("sampler", sampler, SAMPLERS)
    return SAMPLERS[sampler](labels.cpu(), generator)


def _pairs(labels: Tensor, generator: torch.Generator, power: float) -> Tensor:
    uniform = instance_balanced(labels, generator)
    return torch.stack((uniform, _weighted(labels, generator, power)), 1).flatten()


def _weighted(labels: Tensor, generator: torch.Generator, power: float) -> Tensor:
    counts = labels.bincount().double()
    weights = counts[labels] ** -power
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)
