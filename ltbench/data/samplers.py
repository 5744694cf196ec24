"""Samplers: the order of one epoch as indices into the training set.

Labels are [N], int64, or of images with several each [N, C], of 0 and 1.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ltbench.data.profile import SHOTS, shot_groups
from ltbench.errors import unknown


def instance_balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return a random permutation: every image once."""
    return torch.randperm(len(labels), generator=generator)


def class_balanced(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return N draws with replacement, every class equally likely (Kang et al. 2020).

    An image with several labels is drawn for each of them.
    """
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


def class_aware(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return n_max C / 4 draws: classes in shuffled order, three images of each in a row.

    A class's images come in shuffled order, and anew in another once all were drawn; an image with
    several labels is one of each of their classes (Wu et al. 2020).
    """
    images = members(labels)
    length = draws("class_aware", len(labels), [len(each) for each in images])
    present = [c for c, own in enumerate(images) if len(own)]
    order: list[int] = []
    visits: list[int] = []
    left: list[list[int]] = [[] for _ in images]
    while len(order) < length:
        if not visits:
            visits = torch.randperm(len(present), generator=generator).tolist()
        c = present[visits.pop()]
        for _ in range(IN_A_ROW):
            if not left[c]:
                shuffled = torch.randperm(len(images[c]), generator=generator)
                left[c] = images[c][shuffled].tolist()
            order.append(left[c].pop())
    return torch.tensor(order[:length])


def tail(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return N draws from the smallest shot group that has classes, in passes of every image once.

    Shot groups are the field's, by 100 and 20 images; an image with several labels counts where
    any of them is in the group. The control of training on the tail alone (docs/analyses.md).
    """
    counts = labels.sum(0) if labels.ndim == 2 else labels.bincount()
    groups = shot_groups(counts.tolist())
    present = [group for group, count in zip(groups, counts.tolist(), strict=True) if count]
    last = next(shot for shot in reversed(SHOTS) if shot in present)
    chosen = torch.tensor([group == last for group in groups])
    member = labels[:, chosen].any(1) if labels.ndim == 2 else chosen[labels]
    images = member.nonzero().squeeze(1)
    passes = math.ceil(len(labels) / len(images))
    orders = [torch.randperm(len(images), generator=generator) for _ in range(passes)]
    return images[torch.cat(orders)[: len(labels)]]


SAMPLERS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "instance_balanced": instance_balanced,
    "class_balanced": class_balanced,
    "square_root": square_root,
    "reversed_pairs": reversed_pairs,
    "balanced_pairs": balanced_pairs,
    "class_aware": class_aware,
    "tail": tail,
}
IN_A_ROW = 3  # images of one class that the class-aware sampler draws
PAIRS = frozenset(name for name in SAMPLERS if name.endswith("_pairs"))  # drawn two by two


def draws(sampler: str, images: int, counts: Sequence[int]) -> int:
    """Return the draws of an epoch from so many images, counts[c] of class c."""
    if sampler == "class_aware":
        return max(max(counts) * len(counts) // 4, 1)
    return 2 * images if sampler in PAIRS else images


def order(sampler: str, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return an epoch's order, int64 on the CPU; raises UsageError for an unknown sampler."""
    if sampler not in SAMPLERS:
        raise unknown("sampler", sampler, SAMPLERS)
    return SAMPLERS[sampler](labels.cpu(), generator)


def _pairs(labels: Tensor, generator: torch.Generator, power: float) -> Tensor:
    uniform = instance_balanced(labels, generator)
    return torch.stack((uniform, _weighted(labels, generator, power)), 1).flatten()


def members(labels: Tensor) -> list[Tensor]:
    """Return the indices of each class's images."""
    if labels.ndim == 2:
        return [column.nonzero().squeeze(1) for column in labels.T]
    return [(labels == c).nonzero().squeeze(1) for c in range(int(labels.max()) + 1)]


def _weighted(labels: Tensor, generator: torch.Generator, power: float) -> Tensor:
    if labels.ndim == 2:
        positive = labels.double()
        weights = (positive * positive.sum(0).clamp_min(1) ** -power).sum(1)
    else:
        counts = labels.bincount().double()
        weights = counts[labels] ** -power
    return torch.multinomial(weights, len(labels), replacement=True, generator=generator)
