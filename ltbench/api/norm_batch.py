"""Batch statistics of parts of a batch, as training on several GPUs takes them.

Released codes train through `DataParallel`: the loss is of the whole batch, but each GPU's batch
norm sees its own part of the rows alone, cut one after the other, and the running statistics are
those of the first. A mode does the same in one pass, whatever the device.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_ORDER: ContextVar[Tensor | None] = ContextVar("order", default=None)


def norm_batches(norm_batch: int | None, images: int) -> AbstractContextManager[Any]:
    """Return a context in which batch norm normalises about `norm_batch` of the images at a time.

    A pass of k times `images` rows, k views of each, has k times as many rows a part: it is cut
    into as many parts as one of `images` rows. None is the whole batch.
    """
    parts = parts_of(norm_batch, images)
    return nullcontext() if parts == 1 else _Parted(parts, images)


def parts_of(norm_batch: int | None, images: int) -> int:
    """Return how many parts of a batch of so many images are normalised apart."""
    return 1 if norm_batch is None or norm_batch >= images else -(-images // norm_batch)


def place_in_batch(
    rows: int, first: int, own: int, images: int, device: torch.device
) -> tuple[Tensor, int]:
    """Return where rows of `own` images, from `first` on, lie in those of a whole batch, [n].

    Beside the number of all those: k rows an image are k views, one below the other; fewer rows
    than images are one of as many images each.
    """
    if rows < own:
        share = own // rows
        return first // share + torch.arange(rows, device=device), images // share
    order = _ORDER.get()
    order = torch.arange(own, device=device) if order is None else order
    views = torch.arange(rows // own, device=device)
    return (views[:, None] * images + first + order).flatten(), rows // own * images


@contextmanager
def taken_in(order: Tensor) -> Iterator[None]:
    """Say that a pass takes the batch's images in an order, int64 [B], not as they lie in it."""
    token = _ORDER.set(order)
    try:
        yield
    finally:
        _ORDER.reset(token)


class BatchNormCall(NamedTuple):
    """The arguments of `functional.batch_norm`, in its order and with its defaults."""

    input: Tensor
    running_mean: Tensor | None
    running_var: Tensor | None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5


class _Parted(TorchFunctionMode):
    """Gives batch norm in training one part of the rows after the other."""

    def __init__(self, parts: int, images: int) -> None:
        super().__init__()
        self.parts, self.images = parts, images

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is F.batch_norm:
            return self._batch_norm(BatchNormCall(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))

    def _batch_norm(self, call: BatchNormCall) -> Tensor:
        rows, running_mean, running_var, weight, bias, training, momentum, eps = call
        if not training:
            return F.batch_norm(*call)
        places = self._places(rows)
        lying = rows if places is None else rows[places.argsort()]
        moved = (running_mean, running_var)
        made = []
        for part in lying.tensor_split(self.parts):
            made.append(F.batch_norm(part, *moved, weight, bias, True, momentum, eps))
            moved = (None, None)
        joined = torch.cat(made)
        return joined if places is None else joined[places]

    def _places(self, rows: Tensor) -> Tensor | None:
        """Return where in the batch, view by view, each row lies; None: just there."""
        order = _ORDER.get()
        if order is None:
            return None
        views = torch.arange(len(rows) // self.images, device=order.device)
        return (views[:, None] * self.images + order).flatten()
