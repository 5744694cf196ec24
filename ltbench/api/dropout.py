"""Dropout by the masks of a step: the same in every pass over its batch.

A gradient rule that compares two passes would see their masks differ, not their weights. So what
`nn.Dropout` drops is drawn from the step's clock for the whole batch, and a pass takes the rows of
its own images: in another order, or of several processes its part.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ltbench.api.norm_batch import place_in_batch
from ltbench.api.ranks import Part
from ltbench.api.task import Clock


def drops(network: nn.Module) -> bool:
    """Return whether a network has dropout that acts in training."""
    return any(isinstance(module, nn.Dropout) and module.p > 0 for module in network.modules())


def step_masks(
    network: nn.Module, clock: Clock, images: int, dropping: bool | None = None
) -> AbstractContextManager[Any]:
    """Return a context, for one pass, in which dropout has the masks of a step of so many images.

    Nothing is done for a network that drops nothing; where it is not said, it is looked through.
    """
    known = drops(network) if dropping is None else dropping
    return _Masked(clock, images) if known else nullcontext()


class _Masked(TorchFunctionMode):
    """Gives the n-th dropout of a pass the step's n-th mask."""

    def __init__(self, clock: Clock, images: int) -> None:
        super().__init__()
        self.clock, self.images, self.calls = clock, images, 0
        part = Part.of(images)
        self.first, self.own = (0, images) if part is None else (part.first, part.last - part.first)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        return self._dropout(*args, **kwargs) if func is F.dropout else func(*args, **kwargs)

    def _dropout(
        self, rows: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        if not training or not p:
            return rows
        if p == 1:
            return rows * 0
        count, device = len(rows), rows.device
        if self.own == self.images and count % self.images:  # of all, but not so many an image
            place, total = torch.arange(count, device=device), count
        else:
            place, total = place_in_batch(count, self.first, self.own, self.images, device)
        draw = self.clock.generator(f"dropout {self.calls}")
        self.calls += 1
        kept = torch.rand(total, *rows.shape[1:], generator=draw) >= p
        return rows * kept.to(device)[place] / (1 - p)
