"""Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ltbench.task import Batch, Clock


def mixed(batch: Batch, clock: Clock, classes: int) -> tuple[Tensor, Tensor]:
    """Return mixed images and their labels [B, C]: one share from Beta(1, 1), one permutation.

    Both are the clock's, so that the same step mixes the same way again.
    """
    draw, images = clock.generator("mixup"), batch.images
    share = torch.rand((), generator=draw).item()
    partners = torch.randperm(len(images), generator=draw).to(images.device)
    labels = F.one_hot(batch.targets, classes).float()
    pairs = ((images[partners], images), (labels[partners], labels))
    mixed_images, mixed_labels = (torch.lerp(other, own, share) for other, own in pairs)
    return mixed_images, mixed_labels
