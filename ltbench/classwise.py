"""Weights displaced class by class, each class along its own gradient, and how far."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ltbench.errors import LtbenchError
from ltbench.method import Outputs
from ltbench.perturb import Offset, Segments, norm, scaled
from ltbench.slopes import Slopes
from ltbench.step import Step


@dataclass(frozen=True)
class Radius:
    """Lengths s d^{1/4} (|w| / 2 G_c)^{1/2} (n_c - 1)^{-1/4} for gradients of norm G_c.

    d counts the weights w, n_c the training images of class c; one image counts as two. The
    rarest class goes no further than `cap` |w|, the others in proportion of (n_c - 1)^{-1/4};
    without a gradient there is no direction, and a class stays.
    """

    scale: float
    cap: float
    class_counts: Tensor  # [C]

    def of(self, weights: Mapping[str, Tensor], slopes: Tensor, classes: Tensor) -> Tensor:
        """Return the lengths for gradient norms [..., K] of K classes."""
        length = norm(weights)
        rarity = (self.class_counts - 1).clamp_min(1).to(slopes) ** -0.25  # [C]
        size = sum(weight.numel() for weight in weights.values())
        free = self.scale * size**0.25 * (length / (2 * slopes)).sqrt() * rarity[classes]
        bound = self.cap * length * rarity[classes] / rarity.max()
        return torch.minimum(free, bound) * (slopes > 0)


def class_segments(step: Step, slopes: Slopes, radius: Radius) -> Segments:
    """Return offsets of the network by class; notes the mean of |offset| / |w| as "ratio"."""
    named = step.network.named_parameters()
    weights = {name: weight for name, weight in named if weight.requires_grad}
    classes = torch.tensor(list(slopes), device=step.batch.targets.device)
    norms = torch.stack([norm(slope) for slope in slopes.values()])
    lengths = radius.of(weights, norms, classes)
    offsets: list[Offset] = [{} for _ in radius.class_counts]
    for (number, slope), length in zip(slopes.items(), lengths, strict=True):
        offsets[number] = scaled(slope, length)
    step.notes["ratio"] = lengths.mean() / norm(weights)
    return Segments(offsets, step.batch.targets)


def class_logits(
    step: Step,
    outputs: Outputs,
    losses: Tensor,
    radius: Radius,
    *,
    per_tensor: bool = False,
    head: str = "classifier",
) -> Tensor:
    """Return the logits [B, C] of a linear head displaced for the class of each image.

    Products [B, B] take the place of a loop over classes. `per_tensor`: weight and bias go by
    their own gradient norms, else by the joint one. Notes the mean of |offset| / |w| as "ratio".
    Raises LtbenchError for any other head.
    """
    part = step.network.get_submodule(head)
    if not isinstance(part, nn.Linear) or is_parametrized(part):
        raise LtbenchError(f"{head} displaced class by class is a plain linear one; this is not.")
    targets, features = step.batch.targets, outputs["features"].detach()
    own = losses.sum() / step.method.loss_weight(step.clock)
    (errors,) = torch.autograd.grad(own, outputs["logits"], retain_graph=True)
    same = (targets.unsqueeze(1) == targets).to(errors)
    mean = same / same.sum(1, keepdim=True)  # [B, B]: over the images of an image's class
    bias = mean @ errors  # [B, C]: the class's gradient by the bias
    squares = ((mean @ ((errors @ errors.T) * (features @ features.T))) * mean).sum(1)
    both = torch.stack([squares.clamp_min(0), bias.square().sum(1)])  # [2, B]
    slopes = (both if per_tensor else both.sum(0).expand(2, -1)).sqrt()
    weights = dict(part.named_parameters())
    lengths = radius.of(weights, slopes, targets)
    first, second = (lengths / slopes.clamp_min(1e-30)).unsqueeze(2)
    step.notes["ratio"] = lengths.mean() / norm(weights)
    reach = mean * (outputs["features"] @ features.T)
    moved: Tensor = outputs["logits"] + first * (reach @ errors) + second * bias
    return moved
