"""Offsets: displacements of the weights, and evaluation at displaced weights."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

Offset = dict[str, Tensor]
"""Parameter name to displacement, of the parameter's shape."""

Result = TypeVar("Result")


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
    parameters = dict(network.named_parameters())
    for name in offset:
        if name not in parameters:
            raise KeyError(f"the network has no parameter {name!r} to displace")
    displaced = {f"network.{name}": parameters[name] + shift for name, shift in offset.items()}
    buffers = {f"network.{name}": buffer.clone() for name, buffer in network.named_buffers()}
    result: Result = functional_call(_Call(network), {**displaced, **buffers}, (function,))
    return result


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
