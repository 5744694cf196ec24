"""Focal loss: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs


@dataclass
class Focal(Method):
    """Cross-entropy weighted by (1 - p_y)^gamma (Eq. 4, without class weights)."""

    gamma: Annotated[float, Ge(0)] = 1.0  # as in the LDAM-DRW baselines; the detection paper uses 2

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return (1 - p_y)^gamma * -log p_y; the gradient flows through both factors."""
        surprise = F.cross_entropy(outputs["logits"], batch.targets, reduction="none")
        if self.gamma == 0:
            return surprise  # 0^0 has no gradient
        # The floor keeps the power's gradient finite where p_y rounds to 1.
        miss = (-surprise.neg().expm1()).clamp_min(1e-12)
        return miss**self.gamma * surprise
