"""Several processes at one training, which computes what one process would.

Of P processes r each forwards a part of a batch, and their outputs o_r are gathered: so every
process computes the same losses, groups and contrasts of the whole batch, and the same scalar L.
What goes back into the graph of r is P dL/do_r, and gradients by weights w are averaged:

    1/P sum_r [P dL/do_r do_r/dw + dL/dw] = sum_r dL/do_r do_r/dw + dL/dw

The last term is that of what L takes from the weights alone, as penalties and prototypes do. Batch
norm has joint statistics (`joint_pass`). The rest, as mixing and bookkeeping, runs alike on all.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed
from torch.autograd.function import once_differentiable

from ltbench.errors import LtbenchError

_TOGETHER: ContextVar[bool] = ContextVar("together", default=False)


class ProcessLostError(LtbenchError):
    """Another process of a training is gone."""


@contextmanager
def together() -> Iterator[None]:
    """Let trainings in a block be of all processes of torch.distributed, which do the same."""
    token = _TOGETHER.set(True)
    try:
        yield
    finally:
        _TOGETHER.reset(token)


@contextmanager
def alone() -> Iterator[None]:
    """Let each process compute for itself in a block."""
    token = _TOGETHER.set(False)
    try:
        yield
    finally:
        _TOGETHER.reset(token)


def ranks() -> int:
    """Return how many processes are at the training here: one, unless it is of several."""
    return distributed.get_world_size() if _TOGETHER.get() else 1


class Part(NamedTuple):
    """The images of a batch, from `first` to before `last`, that this process forwards."""

    first: int
    last: int
    images: int  # of the whole batch
    ranks: int

    @classmethod
    def of(cls, images: int) -> "Part | None":
        """Return this process's part of so many images; None: all of them, as every process does.

        Some samplers draw pairs, which stay whole; fewer pairs than processes are not parted.
        """
        count, pairs = ranks(), -(-images // 2)
        if count == 1 or pairs < count:
            return None
        rank = distributed.get_rank()
        first, last = (2 * (pairs * r // count) for r in (rank, rank + 1))
        return cls(first, min(last, images), images, count)

    def gathered(self, name: str, own: Tensor) -> Tensor:
        """Return an output of all images, [B, ...], of that of the own ones."""
        if not own.dim() or len(own) != self.last - self.first:
            raise coupled(name)
        whole: Tensor = _Gathering.apply(own, self)
        return whole


class _Gathering(torch.autograd.Function):
    """Rows of all processes; each computes the same gradient by them, and their sum goes back."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, part: Part) -> Tensor:
        ctx.part = part
        whole = own.new_zeros(part.images, *own.shape[1:])
        whole[part.first : part.last] = own
        return summed(whole)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        part = ctx.part
        return part.ranks * gradient[part.first : part.last], None


def summed(tensor: Tensor) -> Tensor:
    """Put the sum over all processes into a tensor, and return it."""
    try:
        distributed.all_reduce(tensor)
    except RuntimeError as error:
        raise ProcessLostError(
            "another process of this training stopped; the same command goes on from the last "
            "checkpoint."
        ) from error
    return tensor


def averaged(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return the means of tensors over all processes; alone the tensors themselves."""
    if ranks() == 1 or not tensors:
        return list(tensors)
    flat = summed(torch.cat([tensor.flatten() for tensor in tensors])) / ranks()
    parts = torch.split(flat, [tensor.numel() for tensor in tensors])
    return [part.view(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]


def average_gradients(network: torch.nn.Module) -> None:
    """Average `.grad` of the parameters over all processes, in place."""
    found = [weight.grad for weight in network.parameters() if weight.grad is not None]
    for gradient, mean in zip(found, averaged(found), strict=True):
        if mean is not gradient:
            gradient.copy_(mean)


def coupled(name: str) -> LtbenchError:
    """Return the error for an output that parts of a batch do not give."""
    return LtbenchError(
        f"the forward pass gives {name!r} of several images together, or draws random numbers in "
        "it, so that processes cannot share a batch; train it in one process, without torchrun."
    )
