"""Views of large images: a random box of each, drawn for all at once; then colours, as ever.

`RandomResizedCrop(side, scale=(0.08, 1))` and flip as torchvision draws them, for images of any
shape; the box is cut and scaled where an image is decoded. `ColorJitter(0.4, 0.4, 0.4, 0)` follows.
Of images with several labels the box is most of the image and colours are distorted otherwise, as
in DB's code (Wu et al. 2020).
"""

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from ltbench.data.augment.distortion import distortion
from ltbench.data.augment.pixels import Steps, apply_blends, black, luma, mean_grey
from ltbench.data.augment.simclr import Boxes
from ltbench.data.augment.views import Augment, View, colour_jitter

AREA = (0.08, 1.0)  # of the crop, as a share of the image's
RATIO = (3 / 4, 4 / 3)  # of the crop's width to its height, uniform in its logarithm
PART = (0.8, 1.0)  # of each side of a crop that is to keep what the labels say
SHAPE = (1 / 2, 2.0)  # of its height to its width
TRIES = 50  # to find such a shape, before the whole image is taken
ATTEMPTS = 10  # to find a crop inside the image, before the largest in its middle is taken
STRENGTH = 0.4  # of brightness, contrast and saturation
_BLENDS = (black, mean_grey, luma)  # brightness, contrast, saturation


def draw_crops(widths: Tensor, heights: Tensor, flip: bool, generator: Generator) -> Boxes:
    """Draw a box and a flip for each image of widths and heights [N], int64."""
    count = len(widths)
    share, shape, place_y, place_x = (
        torch.rand(size, generator=generator, dtype=torch.float64)
        for size in ((ATTEMPTS, count), (ATTEMPTS, count), (count,), (count,))
    )
    area = (widths * heights) * (AREA[0] + share * (AREA[1] - AREA[0]))
    low, high = map(math.log, RATIO)
    ratio = (low + shape * (high - low)).exp()
    width, height = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (width > 0) & (width <= widths) & (height > 0) & (height <= heights)
    first, found = fits.int().argmax(0, keepdim=True), fits.any(0)
    # Where none fits: the whole image, or of a long one its middle, at the nearest ratio allowed.
    whole = widths / heights
    middle_width = torch.where(whole > RATIO[1], (heights * RATIO[1]).round().long(), widths)
    middle_height = torch.where(whole < RATIO[0], (widths / RATIO[0]).round().long(), heights)
    width = torch.where(found, width.gather(0, first).squeeze(0), middle_width)
    height = torch.where(found, height.gather(0, first).squeeze(0), middle_height)
    top = torch.where(found, (place_y * (heights - height + 1)).long(), (heights - height) // 2)
    left = torch.where(found, (place_x * (widths - width + 1)).long(), (widths - width) // 2)
    mirrored = (torch.rand(count, generator=generator) < 0.5) & flip
    return Boxes(top, left, height, width, mirrored)


def draw_parts(widths: Tensor, heights: Tensor, flip: bool, generator: Generator) -> Boxes:
    """Draw a box of most of each image, and a flip, for widths and heights [N], int64.

    Each side is uniform in `PART` of the image's, drawn anew until the shape is in `SHAPE`.
    """
    count = len(widths)
    tall, wide, place_y, place_x = (
        torch.rand(size, generator=generator, dtype=torch.float64)
        for size in ((TRIES, count), (TRIES, count), (count,), (count,))
    )
    height = heights * (PART[0] + tall * (PART[1] - PART[0]))
    width = widths * (PART[0] + wide * (PART[1] - PART[0]))
    shape = height / width
    fits = (shape >= SHAPE[0]) & (shape <= SHAPE[1])
    first, found = fits.int().argmax(0, keepdim=True), fits.any(0)
    height = torch.where(found, height.gather(0, first).squeeze(0), heights)
    width = torch.where(found, width.gather(0, first).squeeze(0), widths)
    top, left = place_y * (heights - height), place_x * (widths - width)
    rows = (top + height).long() - top.long()
    columns = (left + width).long() - left.long()
    mirrored = (torch.rand(count, generator=generator) < 0.5) & flip
    return Boxes(top.long(), left.long(), rows.clamp_min(1), columns.clamp_min(1), mirrored)


def draw_colours(count: int, generator: Generator) -> Steps:
    """Draw order and factors of brightness, contrast and saturation for each image."""
    order = torch.rand(count, len(_BLENDS), generator=generator).argsort(1)
    factors = 1 + STRENGTH * (2 * torch.rand(count, len(_BLENDS), generator=generator) - 1)
    return Steps(operation=order, amount=factors.double())


def colours(images: Tensor, _: Augment, generator: Generator) -> Tensor:
    """Brightness, contrast and saturation in random order."""
    return apply_blends(images, draw_colours(len(images), generator), _BLENDS)


# What follows the box and the flip; "clean" has neither, but the middle of the image, and
# "autoaugment" is changed where it is decoded, by jitter and RandAugment.
LARGE_VIEWS: dict[str, View] = {
    "clean": (),
    "standard": (colours,),
    "autoaugment": (),
    "contrastive": (colour_jitter,),
    "resized": (),
}

# Of images that are squashed whole, whose box is most of them.
WHOLE_VIEWS: dict[str, View] = {**LARGE_VIEWS, "standard": (distortion,)}


def check_views(names: Sequence[str]) -> None:
    """Raise ValueError for a view that large images do not have."""
    for name in names:
        if name not in LARGE_VIEWS:
            known = ", ".join(LARGE_VIEWS)
            raise ValueError(f"large images have no view '{name}'; known: {known}.")
