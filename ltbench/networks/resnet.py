"""CIFAR ResNets: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, sec. 4.2.

Three stages of n basic blocks, widths 16/32/64, strides 1/2/2, 6n + 2 layers, and parameter-free
shortcuts (option A: subsample, then pad channels with zeros). Kaiming-normal weights.
"""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.errors import unknown
from ltbench.networks.heads import LinearClassifier

# Name to blocks a stage; all but the first two are He et al.'s other CIFAR networks.
NETWORKS = {
    "resnet32": 5, "resnet8": 1, "resnet20": 3, "resnet44": 7, "resnet56": 9, "resnet110": 18,
}  # fmt: skip
WIDTHS = (16, 32, 64)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and an option-A shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.stride, self.padding = stride, (channels_out - channels_in) // 2

    def forward(self, images: Tensor) -> Tensor:
        """Map [B, channels_in, h, w] to [B, channels_out, h / stride, w / stride]."""
        inner = F.relu(self.bn1(self.conv1(images)), inplace=True)
        return F.relu(self.bn2(self.conv2(inner)) + self._shortcut(images), inplace=True)

    def _shortcut(self, images: Tensor) -> Tensor:
        if self.stride == 1 and self.padding == 0:
            return images
        subsampled = images[:, :, :: self.stride, :: self.stride]
        return F.pad(subsampled, (0, 0, 0, 0, self.padding, self.padding))


def stage(blocks: int, channels_in: int, width: int, stride: int) -> nn.Sequential:
    """Return a stage of basic blocks; the first has the stride."""
    inputs, strides = [channels_in] + [width] * blocks, [stride] + [1] * (blocks - 1)
    pairs = zip(inputs, strides, strict=False)
    return nn.Sequential(*(BasicBlock(c, width, s) for c, s in pairs))


def initialise(network: nn.Module) -> None:
    """Draw new Kaiming-normal weights for every convolution."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)


class Backbone(nn.Module):
    """Images [B, channels, h, w] to features [B, 64]."""

    out_features = WIDTHS[-1]

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, WIDTHS[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        inputs, strides = (WIDTHS[0], *WIDTHS), (1, 2, 2)
        rows = zip(inputs, WIDTHS, strides, strict=False)
        self.stages = nn.Sequential(*(stage(blocks, c, width, s) for c, width, s in rows))

    def forward(self, images: Tensor) -> Tensor:
        """Return globally averaged features."""
        return self.maps(images).mean(dim=(2, 3))

    def maps(self, images: Tensor) -> Tensor:
        """Return the last stage's feature maps, [B, channels, h, w]."""
        found: Tensor = self.stages(F.relu(self.bn1(self.conv1(images)), inplace=True))
        return found


class Network(nn.Module):
    """A backbone and a classifier; forward returns "features" and "logits"."""

    backbone: Any  # a Backbone, or what a method makes of it: images to features [B, out_features]

    def __init__(self, backbone: Backbone, classifier: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = classifier

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return features [B, D] and logits [B, C]."""
        features = self.backbone(images)
        return {"features": features, "logits": self.classifier(features)}


def create(name: str, channels: int, classes: int) -> Network:
    """Return a freshly initialised network with a linear head.

    Raises UsageError for an unknown name.
    """
    if name not in NETWORKS:
        raise unknown("network", name, NETWORKS)
    backbone = Backbone(channels, NETWORKS[name])
    initialise(backbone)
    return Network(backbone, LinearClassifier(backbone.out_features, classes))
