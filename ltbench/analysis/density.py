"""The spectral density that Lanczos nodes and weights make; imports no torch: figures draw it."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_CHUNK = 2000  # places of a grid at once


def density(starts: Sequence[tuple[Array, Array]], grid: Array, width: float) -> Array:
    """Return the mean over starts of sum_k omega_k N(t; theta_k, width^2) at the places of a grid.

    A start is its nodes theta and weights omega, [m] each. Smoothed when it is drawn, not before:
    pictures of other widths cannot be compared.
    """
    total = np.zeros(len(grid))
    for nodes, weights in starts:
        for first in range(0, len(grid), _CHUNK):
            part = slice(first, first + _CHUNK)
            gaps = (grid[part, None] - nodes) / width
            kernel = np.exp(-np.square(gaps) / 2) / (width * math.sqrt(2 * math.pi))
            total[part] += kernel @ weights
    return total / len(starts)


def usual_width(smallest: float, largest: float) -> float:
    """Return the width that PyHessian smooths by: sigma^2 = 1e-5 max(1, range)."""
    return math.sqrt(1e-5 * max(1.0, largest - smallest))
