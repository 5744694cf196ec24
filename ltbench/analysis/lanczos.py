"""Lanczos with full re-orthogonalisation: extreme eigenvalues and spectral density of a product.

m steps from a unit vector v give a tridiagonal T = U Theta U^T; nodes theta_k with weights
omega_k = U_{1k}^2 make the density, d sum_k omega_k theta_k = v^T H v for v of entries +-1, and
the first and last theta are near the extremes, within beta_m |U_{mk}| of an eigenvalue.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Product = Callable[[Tensor], Tensor]
"""A vector [d] to the matrix times it, [d]."""
_NOTHING_LEFT = 1e-6  # of the largest entry of T: the space is exhausted, and T exact


@dataclass(frozen=True)
class Spectrum:
    """Nodes and weights of one start, ascending, each [m] in float64; the extremes' residuals."""

    nodes: Tensor
    weights: Tensor
    residuals: tuple[float, float]  # of the smallest and the largest node

    @property
    def first_moment(self) -> float:
        """Return sum omega theta."""
        return float(self.weights @ self.nodes)

    @property
    def second_moment(self) -> float:
        """Return sum omega theta^2."""
        return float(self.weights @ self.nodes.square())

    def converged(self, tolerance: float) -> bool:
        """Return whether both ends lie within `tolerance` of an eigenvalue, relative to the larger.

        A residual r says that an eigenvalue lies within r of the node.
        """
        return max(self.residuals) <= tolerance * float(self.nodes.abs().max())


def lanczos(
    product: Product, start: Tensor, steps: int, tolerance: float | None = None
) -> Spectrum:
    """Return the spectrum that `steps` products from a vector [d] see.

    With a tolerance it stops as soon as both ends have converged. Scalars are in float64.
    """
    basis = start.new_empty(min(steps, len(start)), len(start))
    basis[0] = start / start.double().norm()
    alphas: list[float] = []
    betas: list[float] = []
    for step in range(len(basis)):
        vector = product(basis[step])
        alphas.append(float(vector.double() @ basis[step].double()))
        for _ in range(2):  # twice is enough: what the first leaves, the second takes
            vector = vector - basis[: step + 1].T @ (basis[: step + 1] @ vector)
        beta = float(vector.double().norm())
        found = _spectrum(alphas, betas, beta)
        scale = float(found.nodes.abs().max())
        if beta <= _NOTHING_LEFT * scale or step + 1 == len(basis):
            break
        if tolerance is not None and found.converged(tolerance):
            break
        betas.append(beta)
        basis[step + 1] = vector / beta
    return found


def _spectrum(alphas: list[float], betas: list[float], last: float) -> Spectrum:
    matrix = torch.diag(torch.tensor(alphas, dtype=torch.float64))
    beside = torch.tensor(betas, dtype=torch.float64)
    matrix = matrix + torch.diag(beside, 1) + torch.diag(beside, -1)
    nodes, vectors = torch.linalg.eigh(matrix)
    ends = (last * vectors[-1].abs())[[0, -1]].tolist()
    return Spectrum(nodes, vectors[0].square(), (ends[0], ends[1]))
