"""Backbones that part: a shared trunk, then branches of their own, with a head over them all."""

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from ltbench.networks.heads import CosineClassifier
from ltbench.networks.resnet import Backbone, BasicBlock, initialise, stage

Blocks = Sequence[BasicBlock]  # of one stage


class BranchedBackbone(nn.Module):
    """Images to the features of K branches side by side, [B, K D]; all share the trunk."""

    def __init__(self, trunk: Backbone, branches: Iterable[nn.Module], width: int) -> None:
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


class ExpertClassifier(nn.Module):
    """The mean of K cosine classifiers, each on its own part of the features [B, K D]."""

    def __init__(self, in_features: int, classes: int, experts: int, scale: float) -> None:
        super().__init__()
        size = in_features // experts
        self.experts = nn.ModuleList(CosineClassifier(size, classes, scale) for _ in range(experts))

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean logits, [B, C]."""
        return self.each(features).mean(1)

    def each(self, features: Tensor) -> Tensor:
        """Return every expert's logits, [B, K, C]."""
        parts = features.chunk(len(self.experts), 1)
        own = [expert(part) for expert, part in zip(self.experts, parts, strict=True)]
        return torch.stack(own, 1)


def two_ends(backbone: Backbone) -> BranchedBackbone:
    """Return a backbone with two last blocks: its own, and a freshly initialised one."""
    *shared, last = cast(Blocks, backbone.stages[-1])
    width, inner = last.conv2.out_channels, last.conv1.in_channels
    (other,) = stage(1, inner, width, last.stride)
    initialise(other)
    backbone.stages[-1] = nn.Sequential(*shared)
    return BranchedBackbone(backbone, (last, other), width)


def experts(backbone: Backbone, count: int, widths: tuple[int, int]) -> BranchedBackbone:
    """Return a backbone that shares its first stage only, with `count` ends of other widths."""
    first = cast(Blocks, backbone.stages[0])
    blocks, width = len(first), first[-1].conv2.out_channels
    ends = [
        nn.Sequential(stage(blocks, width, widths[0], 2), stage(blocks, widths[0], widths[1], 2))
        for _ in range(count)
    ]
    for end in ends:
        initialise(end)
    backbone.stages = nn.Sequential(backbone.stages[0])
    return BranchedBackbone(backbone, ends, widths[1])
