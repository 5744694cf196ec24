"""Distribution functions against densities summed by an independent quadrature."""

import math

import numpy as np
import pytest
from scipy import integrate

from ltbench.statistics.distributions import (
    chi_square_above,
    noncentrality,
    normal_cdf,
    t_cdf,
    t_quantile,
)


def t_density(t: float, freedom: int) -> float:
    constant = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2)
    return constant / math.sqrt(freedom * math.pi) * (1 + t * t / freedom) ** (-(freedom + 1) / 2)


@pytest.mark.parametrize("freedom", [1, 2, 9])
@pytest.mark.parametrize("t", [-2.5, 0.0, 1.3])
def test_students_t_is_the_integral_of_its_density(freedom, t):
    below = integrate.quad(t_density, -np.inf, t, args=(freedom,))[0]
    assert t_cdf(freedom, t) == pytest.approx(below, abs=1e-9)
    assert t_quantile(freedom, below) == pytest.approx(t, abs=1e-6)


def test_with_two_degrees_of_freedom_there_is_a_closed_form():
    p = 0.975
    assert t_quantile(2, p) == pytest.approx((2 * p - 1) / math.sqrt(2 * p * (1 - p)), rel=1e-12)


@pytest.mark.parametrize(("t", "shift"), [(3.0, 1.2), (-3.0, -4.0), (-1.0, 0.5)])
def test_noncentrality_gives_back_the_shift_of_drawn_values(t, shift):
    """P(Z + shift <= t sqrt(V / f)), Z normal and V chi-square, by summing over V."""
    freedom = 6

    def weight(v: float) -> float:
        density = v ** (freedom / 2 - 1) * math.exp(-v / 2)
        below = 0.5 * math.erfc(-(t * math.sqrt(v / freedom) - shift) / math.sqrt(2))
        return density * below / (2 ** (freedom / 2) * math.gamma(freedom / 2))

    below = integrate.quad(weight, 0, np.inf, epsabs=1e-12)[0]
    assert noncentrality(freedom, below, t) == pytest.approx(shift, abs=1e-4)


def test_the_normal_and_chi_square_have_closed_forms():
    assert normal_cdf(-1.1) == pytest.approx(0.5 * math.erfc(1.1 / math.sqrt(2)), rel=1e-12)
    assert chi_square_above(2, 3.0) == pytest.approx(math.exp(-1.5), rel=1e-12)


@pytest.mark.parametrize("probability", [0.025, 0.5, 0.975])
@pytest.mark.parametrize("t", [999.0, 1001.0, 1e6, -1e6, 1e15])
def test_a_shift_far_out_is_found_at_once(t, probability):
    """Seeds that gain the same to rounding have such a t; by drawing V, Z does not matter."""
    freedom = 4
    drawn = np.random.default_rng(0).chisquare(freedom, 400_000)
    shift = noncentrality(freedom, probability, t)
    below = np.mean(t * np.sqrt(drawn / freedom) >= shift)
    assert below == pytest.approx(probability, abs=3e-3)
