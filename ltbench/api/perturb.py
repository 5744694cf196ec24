"""Offsets: displacements of the weights, and evaluation at displaced weights."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

Offset = dict[str, Tensor]
"""Parameter name to displacement, of the parameter's shape."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Segments:
    """A second form of offset: image i is evaluated at the weights plus offsets[members[i]].

    An offset may leave out parameters, or be empty; one that no image names costs nothing.
    `here` says that the offsets are zeros made to take gradients: the pass is then the undisplaced
    one, and moves batch statistics. `segments.evaluate_segmented` does the work.
    """

    offsets: Sequence[Offset]
    members: Tensor  # [B], int64
    here: bool = False


class _Call(nn.Module):
    """Lets `functional_call` run any function of a network, not only its forward."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, function: Callable[[nn.Module], Result]) -> Result:
        return function(self.network)


def evaluate_at(
    network: nn.Module, offset: Mapping[str, Tensor], function: Callable[[nn.Module], Result]
) -> Result:
    """Return `function(network)` with every parameter p at p + offset[name].

    Gradients land in the network's own parameters. Buffers are clones, so a displaced pass moves
    no batch statistics; nothing needs restoring, whatever `function` raises.
    Raises KeyError for a name in `offset` that is not a parameter.
    """
    parameters = named_parameters(network, offset)
    displaced = {name: parameters[name] + shift for name, shift in offset.items()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return evaluate_with(network, {**displaced, **buffers}, function)


def evaluate_with(
    network: nn.Module, tensors: Mapping[str, Tensor], function: Callable[[nn.Module], Result]
) -> Result:
    """Return `function(network)` with some parameters and buffers replaced, by name."""
    replaced = {f"network.{name}": tensor for name, tensor in tensors.items()}
    result: Result = functional_call(_Call(network), replaced, (function,))
    return result


def named_parameters(network: nn.Module, *offsets: Mapping[str, Tensor]) -> dict[str, nn.Parameter]:
    """Return the parameters by name; raises KeyError for an offset of something else."""
    parameters = dict(network.named_parameters())
    for name in {name for offset in offsets for name in offset}:
        if name not in parameters:
            raise KeyError(f"the network has no parameter {name!r} to displace")
    return parameters


def norm(offset: Mapping[str, Tensor]) -> Tensor:
    """Return the Euclidean norm over all entries of an offset, a scalar in float32 or finer."""
    if not offset:
        raise ValueError("the norm of an empty offset is not defined")
    norms = torch._foreach_norm([part.detach() for part in offset.values()])
    return torch.stack(norms).square().sum().sqrt()


def scaled(offset: Mapping[str, Tensor], length: float | Tensor) -> Offset:
    """Return the offset stretched to Euclidean norm `length`; a zero offset stays zero."""
    factor = length / (norm(offset) + 1e-12)
    return {name: part * factor for name, part in offset.items()}


def inner(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> Tensor:
    """Return the inner product of two offsets over the same names, a scalar."""
    return torch.stack([(left[name] * right[name]).sum() for name in left]).sum()


def rejected(offset: Mapping[str, Tensor], direction: Mapping[str, Tensor]) -> Offset:
    """Return the part of `offset` orthogonal to `direction`; all of it where direction is zero."""
    share = inner(offset, direction) / inner(direction, direction).clamp_min(1e-24)
    return {name: part - share * direction[name] for name, part in offset.items()}


def combined(offsets: Sequence[Mapping[str, Tensor]], factors: Iterable[float]) -> Offset:
    """Return the sum of offsets over the same names, each times its factor."""
    names = list(offsets[0])
    first, *others = ([offset[name] for name in names] for offset in offsets)
    factor, *factors = factors
    total = torch._foreach_mul(first, factor)
    for other, alpha in zip(others, factors, strict=True):
        torch._foreach_add_(total, other, alpha=alpha)
    return dict(zip(names, total, strict=True))
