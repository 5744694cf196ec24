"""NTR, negative-tolerant regularisation: Wu et al., "Distribution-Balanced Loss for Multi-Label
Classification in Long-Tailed Datasets", ECCV 2020.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from ltbench import Task
from ltbench.blocks.label_loss import LabelLoss, logit_prevalence, negative_tolerant


@dataclass
class NegativeTolerant(LabelLoss):
    """The mean over labels of y l(z - nu, 1) + (1 - y) l(lambda (z - nu), 0) / lambda (Eq. 8).

    l is BCE, and nu_c = -kappa logit(n_c / N) lifts the logit that a rare label needs. Prediction
    is by plain logits; kappa = 0 with lambda = 1 is BCE.
    """

    kappa: float = 0.05  # of the shift nu_c = -kappa logit(n_c / N)
    scale: Annotated[float, Gt(0)] = 2.0  # lambda: 2 on COCO-LT, 5 on VOC-LT

    def setup(self, task: Task) -> None:
        """Derive the shifts nu [C] from the counts."""
        super().setup(task)
        self.shift = -self.kappa * logit_prevalence(task)

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the tolerant loss of each label, [B, C]."""
        losses, scales = negative_tolerant(logits - self.shift, targets, self.scale)
        return losses / scales
