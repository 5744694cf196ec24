"""Backbones that part: a shared trunk, then branches of their own, with a head over them all."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.errors import UsageError
from ltbench.networks.resnet import BasicBlock

Blocks = Sequence[BasicBlock]
"""The blocks of one stage."""


class BranchedBackbone(nn.Module):
    """Images to the features of K branches side by side, [B, K D]; all share the trunk."""

    def __init__(self, trunk: Any, branches: Iterable[nn.Module], width: int) -> None:
        super().__init__()
        self.trunk, self.branches = trunk, nn.ModuleList(branches)
        self.out_features = width * len(self.branches)

    def forward(self, images: Tensor) -> Tensor:
        """Return every branch's globally averaged features."""
        maps = self.trunk.maps(images)
        return self.joined([maps] * len(self.branches))

    def dealt(self, images: Tensor) -> Tensor:
        """Return features [B / K, K D]: branch k sees images k, k + K, k + 2 K … alone."""
        maps, count = self.trunk.maps(images), len(self.branches)
        return self.joined([maps[position::count] for position in range(count)])

    def joined(self, maps: list[Tensor]) -> Tensor:
        """Return the features of each branch for its own maps, side by side."""
        parts = [
            branch(own).mean(dim=(2, 3)) for branch, own in zip(self.branches, maps, strict=True)
        ]
        return torch.cat(parts, 1)


def with_stages(backbone: nn.Module, count: int | None = None) -> Any:
    """Return a backbone that can be parted between its residual stages, `count` of them if given.

    Raises UsageError for another.
    """
    stages = getattr(backbone, "stages", ())
    if not stages or (count is not None and len(stages) != count):
        fit = "resnet8 or resnet32" if count == 3 else "resnet32 or resnet50"
        raise UsageError(f"it parts the residual stages of a network such as {fit}; choose one.")
    return backbone
