"""Prediction re-balancing (GALA's "PN"): Zhang et al., "Gradient-Aware Logit Adjustment Loss for
Long-tailed Classifier", ICASSP 2024, arXiv 2403.09036.
"""

from dataclasses import dataclass

from torch import Tensor

from ltbench import Method


@dataclass
class Rebalance(Method):
    """Divide class j's probability by m_j^tau, m_j = sum_i s_ij over the test set (G6).

    Transductive: m_j, the mass predicted for class j, is read off all test images at once,
    without labels, and presumes a balanced test set. The paper tunes tau on its large sets:
    1.7 on ImageNet-LT, 1.5 on iNaturalist, 1.4 on Places-LT.
    """

    tau: float = 1.0  # the CIFAR sets'

    deviations = (
        "transductive: prediction re-balancing reads all test images at once, without labels, "
        "as the paper does; such numbers do not compare with predictions made image by image",
    )

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Return z_ij - tau log m_j, [N, C]: its softmax is the re-balanced probability."""
        mass = logits.log_softmax(1).logsumexp(0)  # log m_j; a class never predicted stays finite
        return logits - self.tau * mass
