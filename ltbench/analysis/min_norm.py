"""The shortest convex combination of vectors, from their inner products."""

import torch
from torch import Tensor


def min_norm_weights(gram: Tensor) -> Tensor:
    """Return weights [G], not negative and of sum 1, of least w' gram w; float64, on the CPU.

    Solved as least squares with non-negative unknowns u = w times the vectors' lengths, so that
    lengths may differ by many orders: min |V u|^2 + (l' u - 1)^2 for unit vectors V and inverse
    lengths l has the direction of the solution. A zero vector is the shortest there is.
    """
    from scipy.optimize import nnls  # noqa: PLC0415  (slow to import)

    gram = gram.detach().double().cpu()
    lengths = gram.diagonal().clamp_min(0).sqrt()
    if not lengths.min() > 0:
        still = (lengths == 0).double()
        return still / still.sum()
    cosines = gram / (lengths.unsqueeze(1) * lengths)
    inverse = lengths.min() / lengths
    values, vectors = torch.linalg.eigh(cosines)
    units = values.clamp_min(0).sqrt().unsqueeze(1) * vectors.T  # units' units = cosines
    goal = torch.zeros(len(gram) + 1, dtype=torch.float64)
    goal[-1] = 1
    found, _ = nnls(torch.cat((units, inverse.unsqueeze(0))).numpy(), goal.numpy())
    weights = torch.as_tensor(found) * inverse
    return weights / weights.sum()
