"""LDAM-DRW: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin
Loss", NeurIPS 2019.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs, Task
from ltbench.networks import CosineClassifier, Network


@dataclass
class LDAMDRW(Method):
    """Margins m_c = max_margin (n_min / n_c)^{1/4} on scaled cosine logits (Eq. 13), then DRW.

    The scale sits in the head, so logits mean the same to every other part. Deferred re-weighting
    (Alg. 1) begins at the share `defer` of the epochs with effective-number weights.
    """

    max_margin: float = 0.5
    scale: float = 30.0
    beta: float = 0.9999
    defer: float = 0.8  # epoch 160 of 200

    def __post_init__(self) -> None:
        if not (0 <= self.beta < 1 and 0 <= self.defer <= 1 and self.scale > 0):
            raise ValueError("beta lies from 0 to below 1, defer from 0 to 1, scale above 0")

    def setup(self, task: Task) -> None:
        """Derive margins and deferred weights, both [C], from the class counts."""
        super().setup(task)
        counts = task.class_counts.double()
        self.margins = (self.max_margin * (counts.min() / counts) ** 0.25).float()
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
        margins = F.one_hot(batch.targets, self.task.num_classes) * self.margins
        logits = outputs["logits"] - self.scale * margins
        losses = F.cross_entropy(logits, batch.targets, reduction="none")
        if clock.progress < self.defer:
            return losses
        weights = self.weights[batch.targets]
        return losses * weights / torch.mean(weights)
