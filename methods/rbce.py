"""R-BCE, re-balanced weighting: Wu et al., "Distribution-Balanced Loss for Multi-Label
Classification in Long-Tailed Datasets", ECCV 2020.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge
from torch import Tensor

from ltbench.blocks.label_loss import LabelLoss, rebalancing, surprise


@dataclass
class RebalancedBCE(LabelLoss):
    """The mean over labels of r_c l, with l the label's BCE (Eq. 6).

    r_c = alpha + sigmoid(beta (rho_c - mu)) with rho_c = (1 / n_c) / sum_{j: y_j = 1} 1 / n_j
    undoes what class-aware draws, with which it goes, repeat.
    """

    sampler: Literal["instance_balanced", "class_aware"] = "class_aware"
    alpha: Annotated[float, Ge(0)] = 0.1  # least value of r_c (Eq. 6)
    beta: float = 10.0  # steepness of its sigmoid
    mu: float = 0.2  # of COCO-LT; 0.3 of VOC-LT

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted loss of each label, [B, C]."""
        factors = rebalancing(self.task.class_counts, targets, self.alpha, self.beta, self.mu)
        return factors * surprise(logits, targets)
