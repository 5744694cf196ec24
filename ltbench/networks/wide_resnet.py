"""Wide ResNets: Zagoruyko & Komodakis, "Wide Residual Networks", BMVC 2016, without dropout.

WRN-d-k has three groups of (d - 4) / 6 pre-activation blocks, widths 16k, 32k and 64k, strides 1, 2
and 2, and a 1 x 1 convolution as the shortcut where the width changes.
"""

import torch.nn.functional as F
from torch import Tensor, nn

WIDE = {"wrn28_10": (28, 10), "wrn40_2": (40, 2)}
"""Depth and widening factor by name."""


class WideBlock(nn.Module):
    """Twice batch norm, ReLU and a 3 x 3 convolution, and a shortcut."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.shortcut = (
            None if channels_in == channels_out
            else nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        """Map [B, channels_in, h, w] to [B, channels_out, h / stride, w / stride]."""
        active = F.relu(self.bn1(maps))
        inner: Tensor = self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))
        return inner + (maps if self.shortcut is None else self.shortcut(active))


class WideBackbone(nn.Module):
    """Images [B, channels, h, w] to features [B, 64k]."""

    def __init__(self, channels: int, depth: int, widening: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, 1, 1, bias=False)
        blocks, width = [], 16
        for new, stride in ((16, 1), (32, 2), (64, 2)):
            for position in range((depth - 4) // 6):
                blocks.append(WideBlock(width, new * widening, 1 if position else stride))
                width = new * widening
        self.blocks, self.bn = nn.Sequential(*blocks), nn.BatchNorm2d(width)
        self.out_features = width

    def forward(self, images: Tensor) -> Tensor:
        """Return globally averaged features."""
        return F.relu(self.bn(self.blocks(self.conv1(images)))).mean(dim=(2, 3))
