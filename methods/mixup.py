"""Mixup: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from ltbench import Batch, Clock, Method
from ltbench.blocks.mixup import mixed


@dataclass
class Mixup(Method):
    """l x_i + (1 - l) x_j with the loss l L(y_i) + (1 - l) L(y_j), l from Beta(alpha, alpha).

    One l and one permutation a batch. Alone it trains cross-entropy; behind `+` it mixes the
    images of any method, all views alike. What goes by an image's class, such as a perturbation of
    the weights, goes by that of its first. alpha = 0 is the control, l = 1.
    """

    alpha: Annotated[float, Ge(0)] = 1.0  # CIFAR; 0.2 on the large sets

    kinds = ("single", "multi")

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the mixed batch; ratio and order are the clock's."""
        return mixed(batch, clock, self.alpha)
