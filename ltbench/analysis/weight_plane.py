"""Planes in the space of a network's weights: their axes, what lies on them, the loss over them."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from ltbench.analysis.directions import Direction, dot, place, restored
from ltbench.analysis.subject import CHUNK, RunImages

Weights = Mapping[str, Tensor]
Axes = tuple[Direction, Direction]


def weights_of_all(network: nn.Module) -> Direction:
    """Return copies of all parameters by name, those without filters too."""
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def less(left: Weights, right: Weights) -> Direction:
    """Return the displacement from `right` to `left`."""
    return {name: left[name] - right[name] for name in left}


def length(row: Weights) -> float:
    """Return the Euclidean norm of a displacement."""
    return math.sqrt(dot(row, row))


def through(origin: Weights, first: Weights, second: Weights) -> Axes:
    """Return orthonormal axes of the plane through three points, the first towards `first`.

    Raises ValueError for three points on a line.
    """
    u, w = less(first, origin), less(second, origin)
    share = dot(w, u) / dot(u, u) if dot(u, u) else 0.0
    v = less(w, {name: share * part for name, part in u.items()})
    if not length(u) or length(v) <= 1e-6 * length(w):
        raise ValueError("three points on a line span no plane")
    return _unit(u), _unit(v)


def project(row: Weights, axes: Axes) -> tuple[float, float, float]:
    """Return a displacement's coordinates in a plane, and the share of its length off the plane."""
    x, y, square = dot(row, axes[0]), dot(row, axes[1]), dot(row, row)
    off = max(0.0, square - x * x - y * y)
    return x, y, (off / square) ** 0.5 if square else 0.0


def side(values: Sequence[float], margin: float, points: int) -> list[float]:
    """Return evenly spaced places that hold all values, beyond each end by a share `margin`."""
    extent = max(values) - min(values)
    low, high = min(values) - margin * extent, max(values) + margin * extent
    return torch.linspace(low, high, points, dtype=torch.float64).tolist()


def at_places(
    network: nn.Module,
    places: Iterable[tuple[Weights, Sequence[tuple[float, Direction]]]],
    images: Tensor,
    function: Callable[[nn.Module], Tensor],
) -> list[Tensor]:
    """Return a function of the network at weights base + sum_k a_k d_k, batch statistics anew.

    Those of training are of other weights, and every point between two networks would look a wall.
    The network's own weights and statistics are as before after it.
    """
    found = []
    with restored(network):
        for base, steps in places:
            place(network, base, steps)
            renew(network, images)
            found.append(function(network))
    return found


def renew(network: nn.Module, images: Tensor) -> None:
    """Compute batch statistics anew from images; the network is in eval mode after it.

    Images lie class by class, and batches of one class have other statistics than all of them
    have: every batch takes images from the whole length.
    """
    batches = math.ceil(len(images) / CHUNK)
    with torch.no_grad():
        update_bn((images[k::batches] for k in range(batches)), network)
    network.eval()


def statistics_images(data: RunImages, most: int, seed: int) -> Tensor:
    """Return training images, of all classes alike, that batch statistics are made of."""
    return data.train.equal(max(1, most // data.train.classes), seed).images


def _unit(direction: Direction) -> Direction:
    norm = length(direction)
    return {name: part / norm for name, part in direction.items()}
