"""Networks: a `backbone` that gives features and a `classifier` that gives logits."""

from ltbench.networks.catalog import (
    NETWORKS,
    SMALLEST,
    check_network,
    create,
    encoder_size,
    normalises,
    smallest_like,
)
from ltbench.networks.clip import ClipBackbone
from ltbench.networks.heads import CosineClassifier, LinearClassifier, ScaledClassifier
from ltbench.networks.pretrained import Pretrained
from ltbench.networks.resnet import Network

__all__ = [
    "NETWORKS", "SMALLEST", "ClipBackbone", "CosineClassifier", "LinearClassifier", "Network",
    "Pretrained", "ScaledClassifier",
    "check_network", "create", "encoder_size", "normalises", "smallest_like",
]  # fmt: skip
