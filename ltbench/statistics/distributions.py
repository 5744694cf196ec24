"""Distribution functions of Student's t, the normal and chi-square, from scipy at their first use.

Importing `scipy.special` takes a third of the time of a table in which nothing has three seeds.
"""

import math
from functools import cache
from importlib import import_module
from typing import Any

_FAR = 1000.0


def t_cdf(freedom: float, t: float) -> float:
    """Return P(Student's t with so many degrees of freedom <= t)."""
    return float(_special().stdtr(freedom, t))


def t_quantile(freedom: float, probability: float) -> float:
    """Return the t below which Student's t lies with a probability."""
    return float(_special().stdtrit(freedom, probability))


def noncentrality(freedom: float, probability: float, t: float) -> float:
    """Return the shift under which Student's noncentral t lies below t with a probability.

    That t is (Z + shift) / sqrt(V / freedom), Z normal and V chi-square.
    """
    if t < 0:  # where the inverse is not reliable
        return -noncentrality(freedom, 1 - probability, -t)
    if t > _FAR:  # where the inverse is worse than leaving Z out, and in the end does not return
        return t * math.sqrt(float(_special().chdtri(freedom, probability)) / freedom)
    return float(_special().nctdtrinc(freedom, probability, t))


def normal_cdf(z: float) -> float:
    """Return P(a standard normal variable <= z)."""
    return float(_special().ndtr(z))


def chi_square_above(freedom: float, statistic: float) -> float:
    """Return P(chi-square with so many degrees of freedom > statistic)."""
    return float(_special().chdtrc(freedom, statistic))


@cache
def _special() -> Any:
    return import_module("scipy.special")
