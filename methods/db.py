"""DB, distribution-balanced loss: Wu et al., "Distribution-Balanced Loss for Multi-Label
Classification in Long-Tailed Datasets", ECCV 2020.
"""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt
from torch import Tensor

from ltbench import Task
from ltbench.blocks.label_loss import (
    LabelLoss,
    focused,
    logit_prevalence,
    negative_tolerant,
    rebalancing,
)


@dataclass
class DistributionBalanced(LabelLoss):
    """The mean over labels of r_c kappa_f (1 - q)^gamma NTR (Eq. 9 with the focal factor).

    r_c is R-BCE's factor and NTR the negative-tolerant loss; q = e^{-l} of the BCE l at the shifted
    and scaled logit. gamma = 0 with focal = 1 is DB-0Focal. `db@release` divides the shift by
    lambda, as the released code does, which its author calls a mistake (issue 8 there).
    """

    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "release": {"divided": True},
        "voc": {"mu": 0.3, "scale": 5.0},
        "voc_release": {"divided": True, "mu": 0.3, "scale": 5.0},
    }

    sampler: Literal["instance_balanced", "class_aware"] = "class_aware"
    alpha: Annotated[float, Ge(0)] = 0.1  # least value of r_c (Eq. 6)
    beta: float = 10.0  # steepness of its sigmoid
    mu: float = 0.2  # of COCO-LT; 0.3 of VOC-LT
    kappa: float = 0.05  # of the shift nu_c = -kappa logit(n_c / N) (Eq. 8)
    scale: Annotated[float, Gt(0)] = 2.0  # lambda: 2 on COCO-LT, 5 on VOC-LT
    gamma: Annotated[float, Ge(0)] = 2.0  # exponent of the focal factor
    focal: Annotated[float, Gt(0)] = 2.0  # kappa_f
    divided: bool = False  # whether the shift is divided by lambda, as released

    def setup(self, task: Task) -> None:
        """Derive the shifts nu [C] from the counts."""
        super().setup(task)
        shift = -self.kappa * logit_prevalence(task)
        self.shift = shift / self.scale if self.divided else shift

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the distribution-balanced loss of each label, [B, C]."""
        losses, scales = negative_tolerant(logits - self.shift, targets, self.scale)
        factors = rebalancing(self.task.class_counts, targets, self.alpha, self.beta, self.mu)
        return factors * self.focal * focused(losses, self.gamma) / scales
