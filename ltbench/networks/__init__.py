"""Networks: a `backbone` that gives features and a `classifier` that gives logits."""

from ltbench.networks.catalog import NETWORKS, check_network, create, encoder_size
from ltbench.networks.heads import CosineClassifier, LinearClassifier, ScaledClassifier
from ltbench.networks.pretrained import Pretrained
from ltbench.networks.resnet import Network

__all__ = [
    "NETWORKS", "CosineClassifier", "LinearClassifier", "Network", "Pretrained",
    "ScaledClassifier",
    "check_network", "create", "encoder_size",
]  # fmt: skip
