"""Remix: Chou et al., "Remix: Rebalanced Mixup", ECCV Workshops 2020."""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le

from ltbench import Batch, Clock, Method
from ltbench.blocks.mixup import mixed


@dataclass
class Remix(Method):
    """Mixup whose labels favour the rarer class (Eq. 5-8).

    Images are mixed as l x_i + (1 - l) x_j, l from Beta(alpha, alpha). The ratio of y_i is 0 where
    n_i / n_j >= kappa and l < tau, 1 where n_i / n_j <= 1 / kappa and 1 - l < tau, else l. Alone it
    trains cross-entropy; behind `+` it mixes the images of any method. tau = 0 is mixup.
    """

    kappa: Annotated[float, Ge(1)] = 3.0  # ratio n_i / n_j from which the rarer label takes all
    tau: Annotated[float, Ge(0), Le(1)] = 0.5  # bound on the ratio l of the rarer image
    alpha: Annotated[float, Ge(0)] = 1.0  # l is drawn from Beta(alpha, alpha)

    deviations = ("the protocol's recipe; the paper trains 300 epochs",)

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the mixed batch, with the ratios of rarer labels raised to one."""
        batch, counts = mixed(batch, clock, self.alpha), self.task.class_counts
        assert batch.mix_ratio is not None
        ratio, imbalance = batch.mix_ratio, counts[batch.targets] / counts[batch.mix_targets]
        to_other = (imbalance >= self.kappa) & (ratio < self.tau)
        to_own = (imbalance <= 1 / self.kappa) & (1 - ratio < self.tau)
        ratio = torch.where(to_other, 0.0, torch.where(to_own, 1.0, ratio))
        return batch._replace(mix_ratio=ratio)
