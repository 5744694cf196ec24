"""Quadratic penalties towards anchors: elastic weight consolidation in two vectors.

Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 2017.
"""

import copy
from collections.abc import Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ltbench.analysis.encoder import encoder_parameters
from ltbench.analysis.fisher import diagonal_fisher, refresh_statistics
from ltbench.errors import LtbenchError
from ltbench.task import Batch

STATISTICS = 256  # images, about, from which batch statistics at an anchor are estimated


class Quadratic(NamedTuple):
    """sum_j F_j (x - a_j)^2 over weights and anchors j, as sum pull (x - centre)^2 + rest.

    `pull` is sum_j F_j and `centre` the anchors' mean in that metric. Where all anchors are one,
    the value there is exactly zero: nothing large is subtracted from something large.
    """

    pull: Tensor  # [P]
    centre: Tensor  # [P]
    rest: Tensor  # scalar

    @classmethod
    def zero(cls, like: Tensor) -> "Quadratic":
        """Return the quadratic without anchors, for weights such as `like`."""
        return cls(torch.zeros_like(like), torch.zeros_like(like), like.new_zeros(()))

    def plus(self, curvature: Tensor, anchor: Tensor) -> "Quadratic":
        """Return the quadratic with one more anchor; Steiner's theorem gives the rest."""
        pull, gap = self.pull + curvature, anchor - self.centre
        share = torch.where(pull > 0, curvature / pull, 0.0)
        rest = self.rest + (self.pull * share * gap.square()).sum()
        return Quadratic(pull, self.centre + share * gap, rest)

    def at(self, weights: Tensor) -> Tensor:
        """Return the value at weights [P], a scalar with gradient."""
        return (self.pull * (weights - self.centre).square()).sum() + self.rest


class Sample(NamedTuple):
    """Training images drawn without regard to class, and some of each group."""

    mixed: list[Tensor]
    groups: dict[int, tuple[Tensor, Tensor]]  # images and targets


def draw(
    data: Iterable[Batch], groups: Tensor, class_counts: Tensor, count: int, generator: Generator
) -> Sample:
    """Draw about `count` images of each group, all of a smaller one, in one pass over the data."""
    sizes = torch.zeros_like(class_counts).index_add(0, groups, class_counts)
    chance = (count / sizes.clamp_min(1)).to(torch.float32)[groups]  # [C]
    overall = STATISTICS / int(class_counts.sum())
    mixed, found = [], []
    for batch in data:
        keys = torch.rand(2, len(batch.targets), generator=generator).to(chance.device)
        mixed.append(batch.images[keys[0] < overall])
        member = keys[1] < chance[batch.targets]
        found.append((batch.images[member], batch.targets[member]))
    images, targets = (torch.cat(part) for part in zip(*found, strict=True))
    own = groups[targets]
    split = {g: (images[own == g], targets[own == g]) for g in sorted(set(own.tolist()))}
    return Sample(list(torch.split(torch.cat(mixed), 256)), split)


def fisher_at(
    anchor: Tensor,
    network: nn.Module,
    sample: Sample,
    group: int,
    *,
    priors: Tensor,
    generator: Generator,
) -> Tensor:
    """Return the diagonal Fisher [P] of the encoder at an anchor [P], on a group's images.

    The loss is the cross-entropy of the logits + log priors with true labels; batch statistics are
    re-estimated at the anchor, since those of averaged weights are no average. The network is
    copied, not touched. Raises LtbenchError where the Fisher is not finite.
    """
    copied = copy.deepcopy(network).requires_grad_(True)
    weights = encoder_parameters(copied)
    with torch.no_grad():
        pieces = torch.split(anchor, [weight.numel() for weight in weights])
        for weight, part in zip(weights, pieces, strict=True):
            weight.copy_(part.view(weight.shape))
    refresh_statistics(copied, sample.mixed)

    def losses(images: Tensor, targets: Tensor) -> Tensor:
        logits = copied(images)["logits"] + priors.log()
        return F.cross_entropy(logits, targets, reduction="none")

    fisher = diagonal_fisher(weights, losses, *sample.groups[group], generator)
    if not fisher.isfinite().all():
        raise LtbenchError(f"the Fisher information of group {group} is not finite at its anchor.")
    return fisher
