"""ASL: Ridnik et al., "Asymmetric Loss for Multi-Label Classification", ICCV 2021."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge, Lt
from torch import Tensor

from ltbench.blocks.label_loss import LabelLoss


@dataclass
class AsymmetricLoss(LabelLoss):
    """The mean over labels of -(1 - p)^{g+} log p where y = 1, -p_m^{g-} log(1 - p_m) where y = 0.

    p = sigmoid(z) and p_m = max(p - m, 0), so an easy negative costs nothing (Eqs. 4 to 7). The
    settings are those of the official training; the released class's own have positive = 1 and
    take the gradient through the focusing factors. All at 0 it is BCE.
    """

    positive: Annotated[float, Ge(0)] = 0.0  # g+
    negative: Annotated[float, Ge(0)] = 4.0  # g-
    margin: Annotated[float, Ge(0), Lt(1)] = 0.05  # m
    detached: bool = True  # no gradient through the focusing factors

    deviations = (
        "the mean over labels by the protocol's SGD; the release sums over labels and images and "
        "trains by Adam with averaged weights",
    )

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the asymmetric loss of each label, [B, C]."""
        chance = logits.sigmoid()
        shifted = (chance - self.margin).clamp_min(0)
        # With a margin 1 - p_m is at least m; without one its logarithm needs the logit.
        rejected = (-shifted).log1p() if self.margin else F.logsigmoid(-logits)
        missed = self.factor((-logits).sigmoid(), self.positive)
        alarmed = self.factor(shifted, self.negative)
        losses = targets * missed * F.logsigmoid(logits) + (1 - targets) * alarmed * rejected
        return -losses

    def factor(self, base: Tensor, power: float) -> Tensor:
        """Return the focusing factor base^power."""
        # The floor keeps the power's gradient finite at 0, where what it multiplies is 0.
        factor = base.clamp_min(1e-30) ** power
        return factor.detach() if self.detached else factor
