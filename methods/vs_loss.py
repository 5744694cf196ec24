"""VS loss: Kini et al., "Label-Imbalanced and Group-Sensitive Classification under
Overparameterization", NeurIPS 2021; with SAM in Rangwani et al., NeurIPS 2022.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch.nn.functional as F
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs


@dataclass
class VSLoss(Method):
    """Cross-entropy on o_c (n_c / n_max)^gamma + tau log pi_c; prediction is plain.

    gamma = 0 is logit adjustment, tau = 0 class-dependent temperatures, both 0 cross-entropy.
    """

    gamma: float = 0.05  # exponent of the factor (n_c / n_max)^gamma on logits
    tau: float = 0.75  # factor on log pi_c

    variants: ClassVar[dict[str, dict[str, Any]]] = {"cifar10": {"gamma": 0.15, "tau": 1.25}}
    deviations = (
        "gamma and tau for CIFAR-100 are those of Focal-SAM's released code, for CIFAR-10 a choice "
        "near the first release's example (0.2 and 1.2)",
        "without re-weighting, and from the first epoch on",
    )

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy of the scaled and shifted logits."""
        counts = self.task.class_counts
        scales = (counts / counts.max()) ** self.gamma
        logits = outputs["logits"] * scales + self.tau * self.task.priors.log()
        return F.cross_entropy(logits, batch.targets, reduction="none")
