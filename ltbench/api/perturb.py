"""Perturbations: displacements of the weights, and evaluation at displaced weights."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

Perturbation = dict[str, Tensor]
"""Parameter name to displacement, of the parameter's shape."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Segments:
    """Perturbations by image: image i is evaluated at the weights plus perturbations[members[i]].

    A perturbation may leave out parameters, or be empty; one without images is skipped.
    `here` says that the perturbations are zeros made to take gradients: the pass is then the
    undisplaced one, and moves batch statistics. `segments.evaluate_segmented` does the work.
    """

    perturbations: Sequence[Perturbation]
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
    network: nn.Module, perturbation: Mapping[str, Tensor], function: Callable[[nn.Module], Result]
) -> Result:
    """Return `function(network)` with every parameter p at p + perturbation[name].

    Gradients land in the network's own parameters. Buffers are clones, so a displaced pass moves
    no batch statistics; nothing needs restoring, whatever `function` raises.
    Raises KeyError for a name in `perturbation` that is not a parameter.
    """
    parameters = named_parameters(network, perturbation)
    displaced = {name: parameters[name] + shift for name, shift in perturbation.items()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    return evaluate_with(network, {**displaced, **buffers}, function)


def evaluate_with(
    network: nn.Module, tensors: Mapping[str, Tensor], function: Callable[[nn.Module], Result]
) -> Result:
    """Return `function(network)` with some parameters and buffers replaced, by name."""
    replaced = {f"network.{name}": tensor for name, tensor in tensors.items()}
    result: Result = functional_call(_Call(network), replaced, (function,))
    return result


def named_parameters(
    network: nn.Module, *perturbations: Mapping[str, Tensor]
) -> dict[str, nn.Parameter]:
    """Return the parameters by name; raises KeyError for a perturbation of something else."""
    parameters = dict(network.named_parameters())
    for name in {name for perturbation in perturbations for name in perturbation}:
        if name not in parameters:
            raise KeyError(f"the network has no parameter {name!r} to displace")
    return parameters


def norm(perturbation: Mapping[str, Tensor]) -> Tensor:
    """Return the Euclidean norm over all entries, a scalar in float32 or finer."""
    if not perturbation:
        raise ValueError("the norm of an empty perturbation is not defined")
    norms = torch._foreach_norm([part.detach() for part in perturbation.values()])
    return torch.stack(norms).square().sum().sqrt()


def scaled(perturbation: Mapping[str, Tensor], length: float | Tensor) -> Perturbation:
    """Return the perturbation stretched to Euclidean norm `length`; zero stays zero."""
    factor = length / (norm(perturbation) + 1e-12)
    return {name: part * factor for name, part in perturbation.items()}


def inner(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> Tensor:
    """Return the inner product of two perturbations over the same names, a scalar."""
    return torch.stack([(left[name] * right[name]).sum() for name in left]).sum()


def rejected(perturbation: Mapping[str, Tensor], direction: Mapping[str, Tensor]) -> Perturbation:
    """Return the part of a perturbation orthogonal to a direction; all of it for direction zero."""
    share = inner(perturbation, direction) / inner(direction, direction).clamp_min(1e-24)
    return {name: part - share * direction[name] for name, part in perturbation.items()}


def combined(
    perturbations: Sequence[Mapping[str, Tensor]], factors: Iterable[float]
) -> Perturbation:
    """Return the sum of perturbations over the same names, each times its factor."""
    names = list(perturbations[0])
    first, *others = ([perturbation[name] for name in names] for perturbation in perturbations)
    factor, *factors = factors
    total = torch._foreach_mul(first, factor)
    for other, alpha in zip(others, factors, strict=True):
        torch._foreach_add_(total, other, alpha=alpha)
    return dict(zip(names, total, strict=True))


def warn_if_lost(
    network: nn.Module,
    perturbation: Perturbation | Segments,
    autocast: Callable[[], AbstractContextManager[Any]],
) -> None:
    """Warn where a perturbation, of segments the largest, is below what precision resolves."""
    parts = perturbation.perturbations if isinstance(perturbation, Segments) else [perturbation]
    first = next(network.parameters())
    with autocast():
        lower = torch.is_autocast_enabled(first.device.type)
        dtype = torch.get_autocast_dtype(first.device.type) if lower else first.dtype
    warn_if_rounded(largest_ratio(network, parts), dtype)


def largest_ratio(network: nn.Module, perturbations: Iterable[Perturbation]) -> float:
    """Return the largest of the perturbations' norms over those of the weights they displace."""
    weights = dict(network.named_parameters())
    found = (norm(p) / norm({name: weights[name] for name in p}) for p in perturbations if p)
    return max(map(float, found), default=0.0)


def warn_if_rounded(ratio: float, dtype: torch.dtype) -> None:
    """Warn where a perturbation of `ratio` times the weights' norm is rounding in a precision.

    Weights are rounded to multiples of eps, the spacing of numbers at 1. What is added to all of
    them survives in sums over them down to a fraction of that; below eps / 64 of their norm
    (bfloat16: 1.2e-4) the gradient's change is rounding.
    """
    least = torch.finfo(dtype).eps / 64
    if 0 < ratio < least:
        warnings.warn(
            f"perturbations of less than {least:.1e} of the weights' norm are rounding in "
            f"{str(dtype).removeprefix('torch.')}; train with precision='float32' in the protocol, "
            "or with larger ones.",
            stacklevel=4,
        )
