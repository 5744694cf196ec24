"""Graded augmentation: at level l each image goes through l random operations, each l / 30 strong.

The 22 operations of Ahn et al., "CUDA: Curriculum of Data Augmentation for Long-Tailed
Recognition" (ICLR 2023), with the ranges of its released code, on Pillow images: nearest
neighbour, filled with black. A level moves every amount from the lower end of its range to the
upper, though some change an image most at the lower: colour, contrast, brightness and sharpness
begin at a factor of 0.1, posterize at one bit, solarize at a threshold of 0.
"""

from functools import cache, partial
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from ltbench.data.augment.autoaugment import rotate, shear_x, shear_y, translate_x, translate_y
from ltbench.data.augment.filters import (
    detail,
    edge_enhance,
    enlarge,
    gaussian_blur,
    smooth,
    solarize_add,
)
from ltbench.data.augment.pixels import (
    Operation,
    Steps,
    apply_steps,
    autocontrast,
    brightness,
    contrast,
    equalize,
    invert,
    posterize,
    saturation,
    sharpness,
    solarize,
)

HIGHEST = 30  # level: every operation at the upper end of its range
FARTHEST = 100.0  # translation in pixels; on images below 32 x 32 the same share of the side


class Grading(NamedTuple):
    """How strongly each of N images of a view is augmented beyond it."""

    levels: Tensor  # [N], int64, 0 to 30; 0 is not at all
    cutout: bool = False  # whether the view then ends with Cutout


class Graded(NamedTuple):
    """An operation and the range of its amount."""

    apply: Operation
    lower: float = 0.0
    upper: float = 0.0
    signed: bool = False  # whether the amount is negated in half the cases
    mirrors: bool = False  # whether it takes an image that keeps its label when mirrored


def flip(images: Tensor, _: Tensor) -> Tensor:
    """Turn upside down."""
    return images.flip(2)


def mirror(images: Tensor, _: Tensor) -> Tensor:
    """Swap left and right."""
    return images.flip(3)


OPERATIONS: dict[str, Graded] = {
    "Flip": Graded(flip, mirrors=True),
    "Mirror": Graded(mirror, mirrors=True),
    "EdgeEnhance": Graded(edge_enhance),
    "Detail": Graded(detail),
    "Smooth": Graded(smooth),
    "AutoContrast": Graded(autocontrast),
    "Equalize": Graded(equalize),
    "Invert": Graded(invert),
    "GaussianBlur": Graded(gaussian_blur, 0.0, 2.0),  # standard deviations in pixels
    "ResizeCrop": Graded(enlarge, 1.0, 1.5),
    "Rotate": Graded(partial(rotate, fill=0), 0.0, 30.0, signed=True),  # degrees
    "Posterize": Graded(posterize, 0.0, 4.0),  # bits
    "Solarize": Graded(solarize, 0.0, 256.0),
    "SolarizeAdd": Graded(solarize_add, 0.0, 110.0),
    "Color": Graded(saturation, 0.1, 1.9),
    "Contrast": Graded(contrast, 0.1, 1.9),
    "Brightness": Graded(brightness, 0.1, 1.9),
    "Sharpness": Graded(sharpness, 0.1, 1.9),
    "ShearX": Graded(partial(shear_x, fill=0), 0.0, 0.3, signed=True),
    "ShearY": Graded(partial(shear_y, fill=0), 0.0, 0.3, signed=True),
    "TranslateX": Graded(partial(translate_x, fill=0), 0.0, FARTHEST, signed=True),
    "TranslateY": Graded(partial(translate_y, fill=0), 0.0, FARTHEST, signed=True),
}


def amount(name: str, level: int, side: int) -> float:
    """Return an operation's amount at a level, without its sign, for images `side` wide."""
    _, lower, upper, _, _ = OPERATIONS[name]
    value = level / HIGHEST * (upper - lower) + lower
    match name:
        case "Posterize":
            return float(max(1, int(value)))
        case "TranslateX" | "TranslateY":  # the nearest pixel that is read
            return float(round(value * min(side, 32) / 32))
        case _:
            return value


@cache
def _amounts(side: int) -> Tensor:
    """Return every amount, float64 [levels, operations]."""
    return torch.tensor(
        [[amount(name, level, side) for name in OPERATIONS] for level in range(HIGHEST + 1)],
        dtype=torch.float64,
    )


def draw_chains(levels: Tensor, side: int, mirrors: bool, generator: Generator) -> Steps:
    """Draw as many operations for each image as its level says, with replacement, and signs.

    The result counts in `OPERATIONS`; its fields are [N, highest level], -1 where a chain has
    ended. `mirrors` is whether a mirrored image keeps its label; if not, nothing mirrors. Raises
    ValueError for levels that are no whole numbers from 0 to 30.
    """
    levels = levels.cpu()
    if levels.is_floating_point() or not ((levels >= 0) & (levels <= HIGHEST)).all():
        raise ValueError(f"levels are whole numbers from 0 to {HIGHEST}.")
    every = list(OPERATIONS.values())
    allowed = torch.tensor([n for n, one in enumerate(every) if mirrors or not one.mirrors])
    signed = torch.tensor([one.signed for one in every])
    size = (len(levels), int(levels.max()) if len(levels) else 0)
    operation = allowed[torch.randint(len(allowed), size, generator=generator)]
    negative = torch.randint(2, size, generator=generator).bool() & signed[operation]
    amounts = _amounts(side)[levels[:, None], operation]
    ended = torch.arange(size[1]) >= levels[:, None]
    return Steps(
        operation=operation.masked_fill_(ended, -1),
        amount=torch.where(negative, -amounts, amounts),
    )


def graded(images: Tensor, chains: Steps) -> Tensor:
    """Return the images after their chains of operations."""
    return apply_steps(images, chains, [one.apply for one in OPERATIONS.values()])
