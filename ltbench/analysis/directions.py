"""Directions in weight space as long, filter by filter, as the weights (Li et al., NeurIPS 2018).

d_f <- d_f |theta_f| / |d_f| for every filter f;   d = 0 on biases and batch-norm parameters
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Direction = dict[str, Tensor]
"""Parameter name to displacement, of the parameter's shape."""
_TINY = 1e-10  # beside the norm of a drawn filter


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the parameters that have filters, by name: those of more than one dimension."""
    return {name: p.detach() for name, p in network.named_parameters() if p.dim() > 1}


def filter_norms(tensor: Tensor) -> Tensor:
    """Return the norm of each filter of a weight, along its first axis, as [filters, 1, …]."""
    norms = tensor.flatten(1).norm(dim=1)
    shaped: Tensor = norms.view(-1, *[1] * (tensor.dim() - 1))
    return shaped


def drawn(network: nn.Module, generator: torch.Generator) -> Direction:
    """Return a filter-normalised Gaussian direction; the same draws for networks of one shape."""
    found = {}
    for name, weight in weights_of(network).items():
        noise = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
        noise = noise * filter_norms(weight).cpu().double() / (filter_norms(noise) + _TINY)
        found[name] = noise.to(weight)
    return found


def probe(network: nn.Module, generator: torch.Generator) -> Direction:
    """Return z with E z z^T = diag(|theta_f|^2 / n_f): random signs times |theta_f| / sqrt(n_f)."""
    found = {}
    for name, weight in weights_of(network).items():
        signs = torch.randint(2, weight.shape, generator=generator).to(weight) * 2 - 1
        found[name] = signs * filter_norms(weight) / weight[0].numel() ** 0.5
    return found


def cosine(left: Direction, right: Direction) -> float:
    """Return the cosine of two directions."""
    inner = dot(left, right)
    return inner / math.sqrt(dot(left, left) * dot(right, right))


def dot(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> float:
    """Return the inner product over the names that both have, in float64."""
    shared = left.keys() & right.keys()
    return float(sum((left[n].double() * right[n].double()).sum() for n in sorted(shared)))


@contextmanager
def restored(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Yield copies of all parameters and buffers; give the network the same bits back after."""
    kept = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    try:
        yield kept
    finally:
        own = network.state_dict()
        with torch.no_grad():
            for name, tensor in kept.items():
                own[name].copy_(tensor)


@torch.no_grad()
def place(
    network: nn.Module, base: Mapping[str, Tensor], steps: Iterable[tuple[float, Direction]]
) -> None:
    """Put the network's weights at base + sum_k a_k d_k; `base` has every name of the d_k."""
    own = dict(network.named_parameters())
    steps = list(steps)
    for name in {name for _, direction in steps for name in direction}:
        moved = base[name].clone()
        for factor, direction in steps:
            if name in direction:
                moved.add_(direction[name], alpha=factor)
        own[name].copy_(moved)
