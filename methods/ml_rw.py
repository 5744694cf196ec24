"""Re-weighting of labels by their frequency, the baseline RW of Wu et al., "Distribution-Balanced
Loss for Multi-Label Classification in Long-Tailed Datasets", ECCV 2020.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor

from ltbench import Task
from ltbench.blocks.label_loss import LabelLoss, surprise


@dataclass
class ReweightedBCE(LabelLoss):
    """The mean over labels of (N / n_c)^power l, with l the label's BCE; power = 0 is BCE."""

    power: Annotated[float, Ge(0)] = 0.5  # the code has 1 and 1/2; the table's is not stated

    deviations = ("which power the table's row has is not stated in the released code",)

    def setup(self, task: Task) -> None:
        """Derive the weights [C] from the counts."""
        super().setup(task)
        self.weights = task.prevalence**-self.power

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted loss of each label, [B, C]."""
        return self.weights * surprise(logits, targets)
