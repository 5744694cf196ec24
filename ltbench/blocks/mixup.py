"""Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ltbench.api.task import Clock
from ltbench.data.batch import Batch


def mixed(batch: Batch, clock: Clock, classes: int) -> tuple[Tensor, Tensor]:
    """Return mixed images and their labels [B, C]: one share from Beta(1, 1), one permutation.

    Both are the clock's, so that the same step mixes the same way again.
    """
    draw, images = clock.generator("mixing"), batch.images
    share = torch.rand((), generator=draw).item()
    partners = torch.randperm(len(images), generator=draw).to(images.device)
    labels = F.one_hot(batch.targets, classes).float()
    pairs = ((images[partners], images), (labels[partners], labels))
    mixed_images, mixed_labels = (torch.lerp(other, own, share) for other, own in pairs)
    return mixed_images, mixed_labels


def blended(batch: Batch, clock: Clock, alpha: float) -> Batch:
    """Return the batch with all views mixed: one share from Beta(alpha, alpha), one permutation.

    Both are the clock's. alpha = 0 mixes nothing: every share is 1.
    """
    draw, targets = clock.generator("mixing"), batch.targets
    seed = int(torch.randint(2**62, (), generator=draw))
    own = np.random.default_rng(seed).beta(alpha, alpha) if alpha else 1.0
    partners = torch.randperm(len(targets), generator=draw).to(targets.device)
    views = tuple(torch.lerp(view[partners], view, own) for view in batch.views)
    share = torch.full_like(targets, own, dtype=torch.float32)
    return batch._replace(views=views, partners=targets[partners], share=share)
