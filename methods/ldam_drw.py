"""LDAM-DRW: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
Loss", NeurIPS 2019.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs, Task
from ltbench.blocks.margins import ldam_margins, lowered
from ltbench.networks import CosineClassifier, Network


@dataclass
class LDAMDRW(Method):
    """Margins m_c = max_margin (n_min / n_c)^{1/4} on scaled cosine logits (Eq. 13), then DRW.

    The scale sits in the head, so logits mean the same to every other part. Deferred re-weighting
    (Alg. 1) begins at the share `defer` of the epochs with effective-number weights.
    """

    max_margin: float = 0.5  # C: the margins are C (n_min / n_c)^{1/4}
    scale: Annotated[float, Gt(0)] = 30.0  # s of the cosine logits s cos
    # of the effective number (1 - beta^n) / (1 - beta)
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9999
    # weights begin at this share of the epochs: 160 of 200
    defer: Annotated[float, Ge(0), Le(1)] = 0.8

    def setup(self, task: Task) -> None:
        """Derive margins and deferred weights, both [C], from the class counts."""
        super().setup(task)
        self.margins = ldam_margins(task.class_counts, self.max_margin)
        self.weights = task.effective_weights(self.beta)

    def build(self, network: Network) -> Network:
        """Give the network a cosine head."""
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = CosineClassifier(features, classes, self.scale)
        return network

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return w_y times the cross-entropy with the target's logit lowered by its margin.

        The official code takes the framework's weighted mean, which divides by the batch's sum
        of weights: scaled here so that the plain mean gives the same.
        """
        logits = lowered(outputs["logits"], batch.targets, self.margins, self.scale)
        losses = F.cross_entropy(logits, batch.targets, reduction="none")
        if clock.progress < self.defer:
            return losses
        weights = self.weights[batch.targets]
        return losses * weights / torch.mean(weights)
