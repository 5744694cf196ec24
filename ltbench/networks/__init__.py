"""Networks: a `backbone` that gives features and a `classifier` that gives logits."""

from ltbench.networks.heads import CosineClassifier, LinearClassifier, ScaledClassifier
from ltbench.networks.resnet import NETWORKS, Network, create

__all__ = [
    "NETWORKS", "CosineClassifier", "LinearClassifier", "Network", "ScaledClassifier", "create",
]  # fmt: skip
