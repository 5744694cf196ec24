"""What a split is made of: images in memory, or in a file."""

from typing import Protocol, Self

import torch
from torch import Tensor


class Source(Protocol):
    """Images of one part, in memory or not; their labels [N] in int64, or [N, C]."""

    @property
    def labels(self) -> Tensor:
        """Return the labels."""

    def to(self, device: torch.device) -> Self:
        """Return the images as they serve a device."""

    def part(self, where: slice) -> Self:
        """Return some of the images."""

    def pictures(self, indices: Tensor, side: int) -> Tensor:
        """Return the images at some indices, not augmented, uint8 [n, C, side, side]."""

    def content(self) -> tuple[memoryview, ...]:
        """Return bytes to be hashed: they differ where images or labels do."""
