"""Shortest convex combinations: closed forms, a general optimiser, and the certificate."""

import numpy as np
import pytest
import torch
from ltbench.methods.gbg import min_norm_weights
from scipy.optimize import minimize


def rows_of(count, width, seed):
    draw = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, width, generator=draw, dtype=torch.float64)
    return rows + torch.rand(1, generator=draw, dtype=torch.float64)  # some seeds: all agree


def weights_of(rows):
    return min_norm_weights(rows @ rows.T)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([[3.0, 4.0]], [1.0]),
        ([[1.0, 0.0], [0.0, 1.0]], [0.5, 0.5]),
        ([[2.0, 0.0], [0.0, 1.0]], [0.2, 0.8]),  # by |b|^2 : |a|^2
        ([[1.0, 0.0], [3.0, 1.0]], [1.0, 0.0]),  # the shorter one already is the shortest
        ([[2.0, 0.0], [-1.0, 0.0]], [1 / 3, 2 / 3]),  # opposed: nothing is left
        ([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]], [36 / 49, 9 / 49, 4 / 49]),
        ([[1.0, 2.0], [0.0, 0.0]], [0.0, 1.0]),  # zero is the shortest there is
        ([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]], [0.5, 0.0, 0.5]),
    ],
)
def test_weights_of_few_gradients_are_the_closed_forms(rows, expected):
    rows = torch.tensor(rows, dtype=torch.float64)
    torch.testing.assert_close(
        weights_of(rows), torch.tensor(expected, dtype=torch.float64), atol=1e-7, rtol=0
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_general_optimiser_finds_nothing_shorter(seed):
    rows = rows_of(2 + seed % 5, 3 + seed % 7, seed)
    gram = (rows @ rows.T).numpy()
    weights = weights_of(rows)
    count = len(gram)
    found = minimize(
        lambda w: w @ gram @ w, np.full(count, 1 / count), jac=lambda w: 2 * gram @ w,
        method="SLSQP", bounds=[(0, 1)] * count, options={"ftol": 1e-14, "maxiter": 500},
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": np.ones_like},
    )  # fmt: skip
    ours = float(weights @ torch.as_tensor(gram) @ weights)
    assert weights.min() >= 0
    assert float(weights.sum()) == pytest.approx(1)
    assert ours == pytest.approx(found.fun, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("spread", [0, 3, 6])
@pytest.mark.parametrize("seed", range(5))
def test_no_vector_is_shorter_along_the_result(seed, spread):
    """Optimal if and only if every vector's product with the result is at least |result|^2."""
    rows = rows_of(5, 30, seed) * torch.logspace(-spread, spread, 5, dtype=torch.float64)[:, None]
    weights = weights_of(rows)
    least = weights @ rows
    # A long row's product with a short vector is a small difference of large terms.
    rounding = 64 * torch.finfo(torch.float64).eps * rows.norm(dim=1) * least.norm()
    assert (rows @ least + rounding >= least.square().sum() * (1 - 1e-6)).all()


def test_equal_vectors_do_no_harm():
    rows = rows_of(2, 6, 0)[[0, 1, 0, 0]]
    weights, pair = weights_of(rows), weights_of(rows[:2])
    torch.testing.assert_close(weights @ rows, pair @ rows[:2])
