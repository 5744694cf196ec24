"""Logit-adjusted loss: Menon et al., "Long-Tail Learning via Logit Adjustment", ICLR 2021."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs


@dataclass
class LogitAdjustment(Method):
    """Cross-entropy on o + tau log pi (Eq. 10); prediction is plain."""

    tau: float = 1.0  # factor on log pi_c

    deviations = ("trained by the protocol's recipe, not the released 1,241 to 1,419 epochs",)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy of the prior-adjusted logits."""
        logits = outputs["logits"] + self.tau * self.task.priors.log()
        return F.cross_entropy(logits, batch.targets, reduction="none")
