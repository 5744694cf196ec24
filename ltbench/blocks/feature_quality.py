"""Feature quality of a class: how far it is from its nearest class, and how tight."""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ltbench.data.augment.simclr import draw_boxes
from ltbench.errors import LtbenchError

Form = Literal["plain", "normalised", "release"]
TINY = 1e-12


class Quality(NamedTuple):
    """Feature quality and its two terms, each [C] in float64; NaN for a class without features."""

    quality: Tensor
    distance: Tensor
    variance: Tensor


def feature_quality(
    features: Tensor, targets: Tensor, classes: int, *, beta: float = 0.5, form: Form = "plain"
) -> Quality:
    """Return Q = Dis - beta log Var of features [N, D] with targets [N].

    Dis is the distance of a class's centroid to the nearest other one, Var the mean squared
    distance of its features to it; a class with one feature has the Var pooled over the others.
    Form `normalised` scales features to unit length; `release` is -1 / Dis - log Var.
    Raises ValueError for features of fewer than two classes.
    """
    if form == "normalised":
        features = F.normalize(features, dim=1)
    features = features.double()
    member = F.one_hot(targets, classes).to(features)  # [N, C]
    counts = member.sum(0)
    if (counts > 0).sum() < 2:
        raise ValueError("feature quality compares classes; these features are of fewer than two")
    centroids = member.T @ features / counts.clamp_min(1).unsqueeze(1)
    variance = member.T @ (features - centroids[targets]).square().sum(1) / counts.clamp_min(1)
    several = counts > 1
    pooled = (variance * counts * several).sum() / (counts * several).sum().clamp_min(1)
    variance = torch.where(several, variance, pooled)
    gaps = (centroids.unsqueeze(1) - centroids).norm(dim=2).fill_diagonal_(math.inf)
    distance = gaps.masked_fill(counts == 0, math.inf).amin(1)
    logarithm = (variance + TINY).log()
    quality = (
        -1 / distance.clamp_min(TINY) - logarithm
        if form == "release"
        else distance - beta * logarithm
    )
    terms = (quality, distance, variance)
    return Quality(*(term.masked_fill(counts == 0, math.nan) for term in terms))


def resized_crops(images: Tensor, generator: Generator) -> Tensor:
    """Return normalised images [N, C, H, H], each cut to the box of a contrastive view."""
    side = images.shape[-1]
    boxes = draw_boxes(len(images), side, False, generator)
    scale = torch.stack((boxes.width, boxes.height), 1).double() / side
    centre = torch.stack((boxes.left, boxes.top), 1).double() * 2 / side + scale - 1
    maps = torch.cat((torch.diag_embed(scale), centre.unsqueeze(2)), 2).to(images)
    grid = F.affine_grid(maps, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


ENCODER = "backbone."


def encoder_of(network: nn.Module) -> Tensor:
    """Return a copy of the encoder's weights and batch-norm affine parts, flat [P]."""
    parts = [p.detach().flatten() for p in encoder_parameters(network)]
    return torch.cat(parts).clone()


def encoder_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the encoder's parameters, without heads; raises LtbenchError if there are none."""
    found = [p for name, p in network.named_parameters() if name.startswith(ENCODER)]
    if not found:
        raise LtbenchError("groups need a network whose encoder is called backbone.")
    return found
