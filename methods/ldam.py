"""LDAM: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
NeurIPS 2019.
"""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Gt
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs, Task
from ltbench.blocks.margins import ldam_margins, lowered
from ltbench.networks import CosineClassifier, Network


@dataclass
class LDAM(Method):
    """Cross-entropy with margins m_c = max_margin (n_min / n_c)^{1/4} on scaled cosines (Eq. 13).

    The scale sits in the head, so logits mean the same to every other part. `ldam+drw` is the
    paper's LDAM-DRW; `ldam_drw` is the same in one term, whose weighted mean rounds otherwise.
    """

    max_margin: float = 0.5  # C: the margins are C (n_min / n_c)^{1/4}
    scale: Annotated[float, Gt(0)] = 30.0  # s of the cosine logits s cos

    def setup(self, task: Task) -> None:
        """Derive the margins [C] from the class counts."""
        super().setup(task)
        self.margins = ldam_margins(task.class_counts, self.max_margin)

    def build(self, network: Network) -> Network:
        """Give the network a cosine head."""
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = CosineClassifier(features, classes, self.scale)
        return network

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy with the target's logit lowered by its margin."""
        logits = lowered(outputs["logits"], batch.targets, self.margins, self.scale)
        return F.cross_entropy(logits, batch.targets, reduction="none")
