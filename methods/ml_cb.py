"""Class-balanced loss of several labels: Cui et al., "Class-Balanced Loss Based on Effective Number
of Samples", CVPR 2019.

As in the code of Wu et al., "Distribution-Balanced Loss for Multi-Label Classification in
Long-Tailed Datasets", ECCV 2020.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Lt
from torch import Tensor

from ltbench.blocks.label_loss import LabelLoss, surprise


@dataclass
class ClassBalancedLabels(LabelLoss):
    """The mean over labels of w(n) l, l the label's BCE and w(n) = (1 - beta) / (1 - beta^n).

    n is each label's own count, or one weight is the image's: the mean of w over its labels, w of
    their mean count, or w of the smallest. An image without labels has that of the most frequent.
    beta = 0 is BCE.
    """

    beta: Annotated[float, Ge(0), Lt(1)] = 0.9  # of the code: every n above 40 weighs the same
    by: Literal["average_w", "label", "average_n", "min_n"] = "average_w"  # what has one weight

    def label_losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the weighted loss of each label, [B, C]."""
        return self.weights(targets) * surprise(logits, targets)

    def weights(self, targets: Tensor) -> Tensor:
        """Return the weights, [1, C] by label, else [B, 1]."""
        counts = self.task.class_counts.to(targets).unsqueeze(0)
        own = targets > 0
        each = counts.where(own, counts.max())
        if self.by == "label":
            return self.of(counts)
        if self.by == "min_n":
            return self.of(each.min(1, keepdim=True).values)
        parts = self.of(each) if self.by == "average_w" else each
        some = own.any(1, keepdim=True)
        share = own.to(targets) / own.sum(1, keepdim=True).clamp_min(1)
        mean = (parts * share).sum(1, keepdim=True).where(some, parts.max(1, keepdim=True).values)
        return mean if self.by == "average_w" else self.of(mean)

    def of(self, counts: Tensor) -> Tensor:
        """Return (1 - beta) / (1 - beta^n) of counts n."""
        return (1 - self.beta) / (1 - self.beta**counts)
