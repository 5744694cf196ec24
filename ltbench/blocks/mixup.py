"""Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018."""

import numpy as np
import torch

from ltbench.api.task import Clock
from ltbench.data.batch import Batch


def mixed(batch: Batch, clock: Clock, alpha: float) -> Batch:
    """Return the batch with view_i <- l view_i + (1 - l) view_j in all views, l the mix ratio.

    One l from Beta(alpha, alpha) and one permutation j(i) a batch, both the clock's: the same step
    mixes the same way again. alpha = 0 mixes nothing, l = 1.
    """
    draw, targets = clock.generator("mixing"), batch.targets
    seed = int(torch.randint(2**62, (), generator=draw))
    ratio = np.random.default_rng(seed).beta(alpha, alpha) if alpha else 1.0
    order = torch.randperm(len(targets), generator=draw).to(targets.device)
    return batch._replace(
        views=tuple(torch.lerp(view[order], view, ratio) for view in batch.views),
        mix_targets=targets[order],
        mix_ratio=torch.full((len(targets),), ratio, device=targets.device),
    )
