"""Losses of images with several labels: one a label, of its logit alone, and their mean."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ltbench.api.method import Method, Outputs
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.task import Clock, Task
from ltbench.data.batch import Batch


def surprise(logits: Tensor, targets: Tensor) -> Tensor:
    """Return l(z, y) = log(1 + e^{-z}) where y = 1 and log(1 + e^z) where y = 0, of any shape."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def focused(losses: Tensor, gamma: float) -> Tensor:
    """Return (1 - q)^gamma times losses, q = e^{-loss}; the gradient flows through both factors."""
    if gamma == 0:
        return losses  # 0^0 has no gradient
    # The floor keeps the power's gradient finite where q rounds to 1.
    return (-losses.neg().expm1()).clamp_min(1e-12) ** gamma * losses


@dataclass
class LabelLoss(Method):
    """A method whose loss is the mean over labels of `label_losses`."""

    kinds = ("multi",)

    # how images are drawn: alike, or three of each class in turn, which repeats rare ones
    sampler: Literal["instance_balanced", "class_aware"] = "instance_balanced"

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return one stage of the recipe."""
        return (Stage(name="train", recipe=recipe, sampler=self.sampler),)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the mean loss over labels, [B], whose mean is that over images and labels."""
        return self.label_losses(outputs["logits"], batch.targets).mean(1)

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each label of each image, [B, C]; neither argument is written into."""
        return surprise(logits, targets)


def logit_prevalence(task: Task) -> Tensor:
    """Return logit(pi_c) = -log(N / n_c - 1), pi_c the share of the N images with label c, [C].

    A label that all images have counts as if one half of an image had it not: it is finite.
    """
    images = task.num_images
    return (task.class_counts.double().clamp_max(images - 0.5) / images).logit().float()


def rebalancing(counts: Tensor, targets: Tensor, alpha: float, beta: float, mu: float) -> Tensor:
    """Return the factors r_c = alpha + sigmoid(beta (rho_c - mu)), [B, C] (Wu et al. 2020, Eq. 5).

    rho_c = (1 / n_c) / sum_{j: y_j = 1} 1 / n_j: how likely an image of `targets` [B, C] was drawn
    for its label c, were labels drawn alike. Of an image without labels it is 1.
    """
    rarity = 1 / counts.to(targets).clamp_min(1)
    labelled = (targets * rarity).sum(1, keepdim=True)
    drawn = torch.where(labelled > 0, rarity / labelled.clamp_min(1e-30), torch.ones_like(rarity))
    return alpha + (beta * (drawn - mu)).sigmoid()


def negative_tolerant(logits: Tensor, targets: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Return the parts of the negative-tolerant loss (Wu et al. 2020, Eq. 8), losses and scales.

    Both are [B, C]; the loss is their quotient, l(z, 1) where y = 1 and l(lambda z, 0) / lambda
    where y = 0, of shifted logits z. Apart, for a focal factor is of the undivided loss.
    """
    scales = 1 + (scale - 1) * (1 - targets)
    return surprise(scales * logits, targets), scales
