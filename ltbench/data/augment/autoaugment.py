"""AutoAugment's CIFAR-10 policy and Cutout for whole batches.

Cubuk et al., "AutoAugment: Learning Augmentation Strategies from Data" (CVPR 2019), as
`torchvision.transforms.AutoAugment` applies it to Pillow images (nearest neighbour), with fill 128
in place of 0. Two points follow the policy of the long-tailed codes (BCL, CVPR 2022, and all that
took its data pipeline) and not torchvision: rotation is one-sided (always counter-clockwise), and
the thresholds of solarize run from 256 to 0, not from 255 to 0. Two follow torchvision where those
codes do otherwise: a shear reads the nearest pixel (there four by four by a bicubic), and a
translation is cut to whole pixels (there it reads the nearest pixel of a fraction).

DeVries and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017).
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ltbench.data.augment.filters import sharpness
from ltbench.data.augment.pixels import (
    Draws,
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
    solarize,
)

FILL = 128  # grey of the pixels that a geometric operation brings in

PolicyStep = tuple[str, float, int]  # operation, probability, magnitude 0..9 (0 where it has none)

POLICY: tuple[tuple[PolicyStep, PolicyStep], ...] = (
    (("Invert", 0.1, 0), ("Contrast", 0.2, 6)),
    (("Rotate", 0.7, 2), ("TranslateX", 0.3, 9)),
    (("Sharpness", 0.8, 1), ("Sharpness", 0.9, 3)),
    (("ShearY", 0.5, 8), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.5, 0), ("Equalize", 0.9, 0)),
    (("ShearY", 0.2, 7), ("Posterize", 0.3, 7)),
    (("Color", 0.4, 3), ("Brightness", 0.6, 7)),
    (("Sharpness", 0.3, 9), ("Brightness", 0.7, 9)),
    (("Equalize", 0.6, 0), ("Equalize", 0.5, 0)),
    (("Contrast", 0.6, 7), ("Sharpness", 0.6, 5)),
    (("Color", 0.7, 7), ("TranslateX", 0.5, 8)),
    (("Equalize", 0.3, 0), ("AutoContrast", 0.4, 0)),
    (("TranslateY", 0.4, 3), ("Sharpness", 0.2, 6)),
    (("Brightness", 0.9, 6), ("Color", 0.2, 8)),
    (("Solarize", 0.5, 2), ("Invert", 0.0, 0)),
    (("Equalize", 0.2, 0), ("AutoContrast", 0.6, 0)),
    (("Equalize", 0.2, 0), ("Equalize", 0.6, 0)),
    (("Color", 0.9, 9), ("Equalize", 0.6, 0)),
    (("AutoContrast", 0.8, 0), ("Solarize", 0.2, 8)),
    (("Brightness", 0.1, 3), ("Color", 0.7, 0)),
    (("Solarize", 0.4, 5), ("AutoContrast", 0.9, 0)),
    (("TranslateY", 0.9, 9), ("TranslateY", 0.7, 9)),
    (("AutoContrast", 0.9, 0), ("Solarize", 0.8, 3)),
    (("Equalize", 0.8, 0), ("Invert", 0.1, 0)),
    (("TranslateY", 0.7, 9), ("AutoContrast", 0.9, 0)),
)


def affine(images: Tensor, matrices: Tensor, fill: int = FILL) -> Tensor:
    """Read every pixel (x, y) at (a x + b y + c, d x + e y + f), nearest neighbour, or fill it.

    `matrices` float64 [n, 6] as in Pillow's `Image.transform`, applied in its 16.16 fixed point
    (`affine_fixed` in `Geometry.c`), whose roundings a float computation does not reproduce.
    """
    height, width = images.shape[2:]
    a, b, c, d, e, f = matrices.unbind(1)
    x_of = torch.stack((a, b, c + a * 0.5 + b * 0.5))
    y_of = torch.stack((d, e, f + d * 0.5 + e * 0.5))
    fixed = (torch.stack((x_of, y_of)) * 65536 + 0.5).floor().int()[..., None, None]
    column = torch.arange(width, dtype=torch.int32, device=images.device)
    row = torch.arange(height, dtype=torch.int32, device=images.device)[:, None]
    x, y = ((by_x * column + by_y * row + shift) >> 16 for by_x, by_y, shift in fixed)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    source = torch.where(inside, y * width + x, 0).long().flatten(1).unsqueeze(1)
    moved = images.flatten(2).gather(2, source.expand(-1, images.shape[1], -1)).view_as(images)
    return torch.where(inside.unsqueeze(1), moved, fill)


def shear_x(images: Tensor, slopes: Tensor, fill: int = FILL) -> Tensor:
    """Shift every row by slope times its height, about the upper left corner."""
    zero, one = torch.zeros_like(slopes), torch.ones_like(slopes)
    return affine(images, torch.stack((one, slopes, zero, zero, one, zero), 1), fill)


def shear_y(images: Tensor, slopes: Tensor, fill: int = FILL) -> Tensor:
    """Shift every column by slope times its distance from the left."""
    zero, one = torch.zeros_like(slopes), torch.ones_like(slopes)
    return affine(images, torch.stack((one, zero, zero, slopes, one, zero), 1), fill)


def translate_x(images: Tensor, pixels: Tensor, fill: int = FILL) -> Tensor:
    """Shift to the right by pixels, cut to whole ones."""
    zero, one = torch.zeros_like(pixels), torch.ones_like(pixels)
    return affine(images, torch.stack((one, zero, -pixels.trunc(), zero, one, zero), 1), fill)


def translate_y(images: Tensor, pixels: Tensor, fill: int = FILL) -> Tensor:
    """Shift downwards by pixels, cut to whole ones."""
    zero, one = torch.zeros_like(pixels), torch.ones_like(pixels)
    return affine(images, torch.stack((one, zero, zero, zero, one, -pixels.trunc()), 1), fill)


def rotate(images: Tensor, degrees: Tensor, fill: int = FILL) -> Tensor:
    """Rotate counter-clockwise about the centre.

    Pillow rounds sine and cosine to 15 decimals, which its 16.16 fixed point cannot show.
    """
    middle_y, middle_x = (size / 2 for size in images.shape[2:])
    # Computed on the CPU: sine and cosine of a GPU may differ in the last place.
    angles = torch.deg2rad(-degrees.cpu())
    cosine, sine = angles.cos(), angles.sin()
    shift_x = middle_x - cosine * middle_x - sine * middle_y
    shift_y = middle_y + sine * middle_x - cosine * middle_y
    matrices = torch.stack((cosine, sine, shift_x, -sine, cosine, shift_y), 1)
    return affine(images, matrices.to(images.device), fill)


OPERATIONS: dict[str, Operation] = {
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
    "Brightness": brightness,
    "Color": saturation,
    "Contrast": contrast,
    "Sharpness": sharpness,
    "Posterize": posterize,
    "Solarize": solarize,
    "AutoContrast": autocontrast,
    "Equalize": equalize,
    "Invert": invert,
}


def amounts(name: str, magnitude: int, side: int) -> tuple[float, float]:
    """Return an operation's amount at magnitude 0..9 for the signs - and +.

    Slopes for shears, pixels of images `side` wide for translations, blend factors; without a
    sign: degrees, bits, thresholds. The grids are linear and, as in torchvision, float32.
    """
    centre: float | None = None  # of the operations that have a sign
    match name:
        case "ShearX" | "ShearY":
            centre, first, last = 0.0, 0.0, 0.3
        case "TranslateX" | "TranslateY":
            centre, first, last = 0.0, 0.0, 150.0 / 331.0 * side
        case "Brightness" | "Color" | "Contrast" | "Sharpness":
            centre, first, last = 1.0, 0.0, 0.9
        case "Rotate":
            first, last = 0.0, 30.0
        case "Posterize":
            first, last = 8.0, 4.0
        case "Solarize":
            first, last = 256.0, 0.0
        case _:
            first, last = 0.0, 0.0
    amount = float(torch.linspace(first, last, 10)[magnitude])
    if name == "Posterize":
        amount = float(round(amount))
    return (amount, amount) if centre is None else (centre - amount, centre + amount)


def draw_steps(count: int, side: int, generator: Generator) -> Steps:
    """Draw each image's sub-policy, and whether each of its two steps fires and with which sign.

    The result counts in `OPERATIONS`; its fields are [count, 2].
    """
    numbers = {name: number for number, name in enumerate(OPERATIONS)}
    operation = torch.tensor([[numbers[name] for name, _, _ in pair] for pair in POLICY])
    probability = torch.tensor([[p for _, p, _ in pair] for pair in POLICY])
    amount = torch.tensor(
        [[amounts(name, magnitude, side) for name, _, magnitude in pair] for pair in POLICY],
        dtype=torch.float64,
    )
    policy = torch.randint(len(POLICY), (count,), generator=generator)
    fires = torch.rand(count, 2, generator=generator) < probability[policy]
    positive = torch.randint(2, (count, 2, 1), generator=generator)
    return Steps(
        operation=torch.where(fires, operation[policy], -1),
        amount=amount[policy].gather(2, positive).squeeze(2),
    )


def autoaugment(images: Tensor, steps: Steps) -> Tensor:
    """Return the images after both steps of their sub-policies."""
    return apply_steps(images, steps, tuple(OPERATIONS.values()))


@dataclass(frozen=True)
class Holes(Draws):
    """Centres of Cutout's squares, int64 [N] each, in pixels."""

    row: Tensor
    column: Tensor


def draw_holes(count: int, side: int, generator: Generator) -> Holes:
    """Draw the centres uniformly over the pixels."""
    row, column = torch.randint(side, (2, count), generator=generator)
    return Holes(row, column)


def cutout(images: Tensor, holes: Holes) -> Tensor:
    """Set one square of half the image's side to zero; what lies beyond the border is cut off."""
    side = images.shape[-1]
    size = side // 2
    pixel = torch.arange(side, device=images.device)
    in_row, in_column = (
        (pixel >= first) & (pixel < first + size)
        for first in (
            centre.to(images.device)[:, None] - size // 2 for centre in (holes.row, holes.column)
        )
    )
    return images.masked_fill(in_row[:, None, :, None] & in_column[:, None, None, :], 0)
