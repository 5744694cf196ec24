"""How many images each class keeps, and which classes are many, medium and few. Plain numbers."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Literal

from ltbench.errors import UsageError

MANY_ABOVE = 100  # classes with more training images than this are "many" (Liu et al. 2019)
FEW_BELOW = 20  # and with fewer than this "few"; the rest are "medium"
SHOTS = ("many", "medium", "few")

ImbalanceProfile = Literal["exponential", "step", "balanced"]
PROFILES: tuple[ImbalanceProfile, ...] = ("exponential", "step", "balanced")


def class_counts(
    head_count: int, classes: int, imbalance: float, profile: ImbalanceProfile = "exponential"
) -> list[int]:
    """Return the images n_c of the classes c = 0 … C - 1: class 0 is the head.

    exponential, Cui et al. 2019: n_c = int(n_max * (1 / r)^(c / (C - 1))).
    step, Buda et al. 2018 with half of the classes small, as in the LDAM-DRW code: n_max for
    c < C // 2, then int(n_max / r).
    balanced, the control of equal size: the rounded mean of the exponential profile's.

    Raises UsageError if a class would be left without images.
    """
    share = 1.0 / imbalance
    falls = [c / (classes - 1.0) for c in range(classes)]
    if profile == "step":
        falls = [float(c >= classes // 2) for c in range(classes)]
    counts = [int(head_count * share**fall) for fall in falls]
    if min(counts) < 1:
        raise UsageError(
            f"imbalance {imbalance:g} leaves class {counts.index(0)} of {classes} without images "
            f"(the head has {head_count}); choose at most {head_count}."
        )
    return [round(sum(counts) / classes)] * classes if profile == "balanced" else counts


def kept(count: int, fraction: float) -> int:
    """Return how many of `count` images stay where a fraction is kept: at least one."""
    return max(1, round(count * fraction))


@cache
def published_counts(name: str) -> tuple[int, ...]:
    """Return the training images of each class of a data set that comes as lists, [C]."""
    text = files("ltbench.data").joinpath("counts", f"{name}.txt").read_text()
    return tuple(map(int, text.split()))


def shot_groups(
    counts: Sequence[int],
    held_out: int = 0,
    many_above: int = MANY_ABOVE,
    few_below: int = FEW_BELOW,
) -> list[str]:
    """Return the shot group of each class by its training images.

    `held_out` images of each class, kept from training for validation, count as training images:
    a protocol that holds some out has the groups of the papers.
    """
    drawn = [count + held_out for count in counts]
    return [
        "many" if count > many_above else "few" if count < few_below else "medium"
        for count in drawn
    ]
