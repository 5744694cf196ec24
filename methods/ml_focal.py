"""Focal loss of several labels: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

As in the tables of Wu et al., "Distribution-Balanced Loss for Multi-Label Classification in
Long-Tailed Datasets", ECCV 2020.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt
from torch import Tensor

from ltbench.blocks.label_loss import LabelLoss, focused, surprise


@dataclass
class FocalOfLabels(LabelLoss):
    """The mean over labels of kappa (1 - q)^gamma l, with l the label's BCE and q = e^{-l}."""

    gamma: Annotated[float, Ge(0)] = 2.0  # exponent of 1 - q
    kappa: Annotated[float, Gt(0)] = 2.0  # as inside DB; the code's class of its own has 0.25

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the focal loss of each label, [B, C]."""
        return self.kappa * focused(surprise(logits, targets), self.gamma)
