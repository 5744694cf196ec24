"""Logit adjustment of several labels: after Menon et al., "Long-Tail Learning via Logit
Adjustment", ICLR 2021.
"""

from dataclasses import dataclass

from torch import Tensor

from ltbench import Task
from ltbench.blocks.label_loss import LabelLoss, logit_prevalence, surprise


@dataclass
class AdjustedLabels(LabelLoss):
    """The mean over labels of the BCE of z + tau logit(n_c / N); prediction is by plain logits."""

    tau: float = 1.0  # factor on the adjustment

    deviations = ("the sigmoid's form is ours; the paper adjusts a softmax",)

    def setup(self, task: Task) -> None:
        """Derive the adjustments [C] from the counts."""
        super().setup(task)
        self.shift = self.tau * logit_prevalence(task)

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the adjusted loss of each label, [B, C]."""
        return surprise(logits + self.shift, targets)
