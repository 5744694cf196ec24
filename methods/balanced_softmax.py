"""Balanced Softmax: Ren et al., "Balanced Meta-Softmax for Long-Tailed Visual Recognition",
NeurIPS 2020.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs


@dataclass
class BalancedSoftmax(Method):
    """-log(n_y e^{o_y} / sum_c n_c e^{o_c}) (Eq. 3-4); prediction is plain."""

    deviations = ("trained by the protocol's recipe, not the released 13,000 steps of batch 512",)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy of the softmax weighted by class counts."""
        logits = outputs["logits"] + self.task.class_counts.log()
        return F.cross_entropy(logits, batch.targets, reduction="none")
