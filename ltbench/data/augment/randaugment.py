"""RandAugment as timm has it and BCL's large-scale recipe calls it, `rand-n2-m10-mstd0.5`.

Two of fifteen operations, drawn with replacement; each acts with probability 1/2, at a level from
N(10, 0.5) kept within 0 to 10, on a Pillow image. Not torchvision's: posterize and solarize weaken
as the level rises, geometric operations translate by up to 0.45 of the side, interpolate
bilinearly or bicubically at random and fill with the mean colour. All is drawn beforehand, for
every image at once. `ColorJitter(0.4, 0.4, 0.4)` comes before it.
"""

from collections.abc import Callable, Sequence

import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Generator, Tensor

from ltbench.data.augment.large import draw_colours

LAYERS, LEVEL, DEVIATION, PROBABILITY = 2, 10.0, 0.5, 0.5
MEAN = (124, 116, 104)  # of ImageNet's pixels
COLUMNS = 3 + 3 + 4 * LAYERS
"""Of a row of draws: order and factors of the jitter; operations, levels, signs, filters."""


def draw(count: int, generator: Generator) -> Tensor:
    """Draw jitter and RandAugment for each image, float64 [N, COLUMNS]; operation -1 is none."""
    jitter = draw_colours(count, generator)
    shape = (count, LAYERS)
    operation = torch.randint(len(OPERATIONS), shape, generator=generator)
    fires = torch.rand(shape, generator=generator) < PROBABILITY
    level = LEVEL + DEVIATION * torch.randn(shape, generator=generator, dtype=torch.float64)
    sign = torch.where(torch.rand(shape, generator=generator) > 0.5, -1.0, 1.0)
    cubic = torch.rand(shape, generator=generator) < 0.5
    columns = (
        jitter.operation, jitter.amount, torch.where(fires, operation, -1), level.clamp(0, 10),
        sign, cubic,
    )  # fmt: skip
    return torch.cat([each.double() for each in columns], 1)


def change(image: Image.Image, draws: Sequence[float]) -> Image.Image:
    """Return an RGB image after its jitter and its operations; `draws` is a row of `draw`."""
    for index in range(3):
        image = _JITTER[int(draws[index])](image).enhance(draws[3 + index])
    for layer in range(LAYERS):
        operation, level, sign, cubic = draws[6 + layer :: LAYERS]
        if operation >= 0:
            filtered = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR
            image = OPERATIONS[int(operation)](image, level / 10, sign, filtered)
    return image


PictureOperation = Callable[[Image.Image, float, float, Image.Resampling], Image.Image]
"""An image, the level from 0 to 1, a sign and an interpolation to the changed image."""

_JITTER = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def _affine(image: Image.Image, matrix: Sequence[float], filtered: Image.Resampling) -> Image.Image:
    affine = Image.Transform.AFFINE
    return image.transform(image.size, affine, matrix, resample=filtered, fillcolor=MEAN)


def _solarize_add(image: Image.Image, share: float, *_: object) -> Image.Image:
    added = min(128, int(share * 110))
    table = [min(255, value + added) if value < 128 else value for value in range(256)]
    return image.point(table * 3)


def _enhanced(by: type) -> PictureOperation:
    return lambda image, share, *_: by(image).enhance(1.8 * share + 0.1)


# In timm's order.
OPERATIONS: tuple[PictureOperation, ...] = (
    lambda image, *_: ImageOps.autocontrast(image),
    lambda image, *_: ImageOps.equalize(image),
    lambda image, *_: ImageOps.invert(image),
    lambda image, share, sign, how: image.rotate(sign * share * 30, resample=how, fillcolor=MEAN),
    lambda image, share, *_: ImageOps.posterize(image, int(share * 4)),
    lambda image, share, *_: ImageOps.solarize(image, min(256, int(share * 256))),
    _solarize_add,
    _enhanced(ImageEnhance.Color),
    _enhanced(ImageEnhance.Contrast),
    _enhanced(ImageEnhance.Brightness),
    _enhanced(ImageEnhance.Sharpness),
    lambda image, share, sign, how: _affine(image, (1, sign * share * 0.3, 0, 0, 1, 0), how),
    lambda image, share, sign, how: _affine(image, (1, 0, 0, sign * share * 0.3, 1, 0), how),
    lambda image, share, sign, how: _affine(
        image, (1, 0, sign * share * 0.45 * image.size[0], 0, 1, 0), how
    ),
    lambda image, share, sign, how: _affine(
        image, (1, 0, 0, 0, 1, sign * share * 0.45 * image.size[1]), how
    ),
)
