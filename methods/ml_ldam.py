"""LDAM of several labels: after Cao et al., "Learning Imbalanced Datasets with
Label-Distribution-Aware Margin Loss", NeurIPS 2019.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt
from torch import Tensor

from ltbench import Task
from ltbench.blocks.label_loss import LabelLoss, surprise
from ltbench.blocks.margins import ldam_margins


@dataclass
class MarginsOfLabels(LabelLoss):
    """The mean over labels of the BCE of z - s m_c y, m_c = max_margin (n_min / n_c)^{1/4}."""

    max_margin: float = 0.5  # of the rarest label
    scale: Annotated[float, Gt(0)] = 1.0  # s

    deviations = ("the sigmoid's form is ours; no code of the tables' LDAM row is published",)

    def setup(self, task: Task) -> None:
        """Derive the margins [C] from the counts."""
        super().setup(task)
        self.margins = ldam_margins(task.class_counts, self.max_margin)

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each label at the lowered logit, [B, C]."""
        return surprise(logits - self.scale * self.margins * targets, targets)
