"""The contrastive view for whole batches: resized crop, flip, colour jitter, grey.

SimCLR's augmentation (Chen et al., 2020) as the CIFAR code of BCL and its descendants sets it:
`RandomResizedCrop(H, scale=(0.2, 1))`, flip, `ColorJitter(0.4, 0.4, 0.4, 0.1)` with probability
0.8, grey with probability 0.2, no blur. Parameters are drawn as torchvision draws them and the
bytes are those of its operations on Pillow images.
"""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ltbench.data.augment.pixels import (
    Draws,
    Operation,
    Steps,
    apply_steps,
    brightness,
    contrast,
    grayscale,
    hue,
    saturation,
)

OPERATIONS: tuple[Operation, ...] = (brightness, contrast, saturation, hue, grayscale)
JITTER = ((0.6, 1.4), (0.6, 1.4), (0.6, 1.4), (-0.1, 0.1))  # ranges of the first four
JITTER_PROBABILITY = 0.8
GREY_PROBABILITY = 0.2
AREA = (0.2, 1.0)  # of the crop, as a share of the image's
RATIO = (3 / 4, 4 / 3)  # of the crop's width to its height, uniform in its logarithm
ATTEMPTS = 10  # to find a crop inside the image, before the whole image is taken

_FRACTION_BITS = 22  # of the weights in Pillow's `Resample.c`
_HALF = 1 << (_FRACTION_BITS - 1)


@dataclass(frozen=True)
class Boxes(Draws):
    """Crops in pixels, int64 [N] each, and whether the result is mirrored, bool [N]."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor


def draw_boxes(
    count: int, side: int, flip: bool, generator: Generator, area: tuple[float, float] = AREA
) -> Boxes:
    """Draw a box, a share of an image in the range `area`, and a flip, for side x side pixels."""
    share, shape, place_y, place_x = (
        torch.rand(size, generator=generator, dtype=torch.float64)
        for size in ((ATTEMPTS, count), (ATTEMPTS, count), (count,), (count,))
    )
    pixels = side**2 * (area[0] + share * (area[1] - area[0]))
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    ratio = (low + shape * (high - low)).exp()
    width = (pixels * ratio).sqrt().round().long()
    height = (pixels / ratio).sqrt().round().long()
    fits = (width > 0) & (width <= side) & (height > 0) & (height <= side)
    first = fits.int().argmax(0, keepdim=True)  # the first of the largest: the first that fits
    found = fits.any(0)
    width = torch.where(found, width.gather(0, first).squeeze(0), side)
    height = torch.where(found, height.gather(0, first).squeeze(0), side)
    return Boxes(
        top=(place_y * (side - height + 1)).long(),
        left=(place_x * (side - width + 1)).long(),
        height=height,
        width=width,
        flip=(torch.rand(count, generator=generator) < 0.5) & flip,
    )


def resized_crop(images: Tensor, boxes: Boxes) -> Tensor:
    """Enlarge each image's box to the whole image, bilinear, then mirror where drawn.

    Two passes, along rows and then along columns, each rounded to bytes as in `Resample.c`.
    """
    device, (count, channels, side, _) = images.device, images.shape
    flip = boxes.flip[:, None]
    values = images.int()
    total = torch.full_like(values, _HALF)
    for index, weight in _taps(boxes.left, boxes.width, side):
        column, share = (torch.where(flip, tap.flip(1), tap) for tap in (index, weight))
        source = column.to(device)[:, None, None, :].expand_as(values)
        total += values.gather(3, source).mul_(share.to(device)[:, None, None, :])
    values = (total >> _FRACTION_BITS).flatten(0, 2)
    total.fill_(_HALF)
    first_rows = (torch.arange(count * channels) * side).view(count, channels, 1)
    for index, weight in _taps(boxes.top, boxes.height, side):
        # Rows are selected whole; gathering their pixels would be ten times slower.
        row = (first_rows + index[:, None, :]).flatten()
        chosen = values.index_select(0, row.to(device)).view_as(total)
        total += chosen.mul_(weight.to(device)[:, None, :, None])
    return (total >> _FRACTION_BITS).to(torch.uint8)


def _taps(offset: Tensor, length: Tensor, side: int) -> list[tuple[Tensor, Tensor]]:
    """Return the two pixels of a line that make each of `side` pixels, and their weights.

    Indices are int64 [n, side], weights int32 [n, side] in units of 2^-22.
    """
    centre = (torch.arange(side) + 0.5) * (length.double() / side)[:, None]
    last = (length - 1)[:, None]
    before = (centre - 0.5).floor()
    pixels = torch.stack((before, before + 1))
    inside = (pixels >= 0) & (pixels <= last)
    weights = (1 - (pixels - centre + 0.5).abs()) * inside
    fixed = (weights / weights.sum(0) * 2**_FRACTION_BITS + 0.5).floor().int()
    indices = pixels.long().clamp(min=0).minimum(last) + offset[:, None]
    return list(zip(indices, fixed, strict=True))


def draw_jitter(count: int, generator: Generator) -> Steps:
    """Draw the jitter's order and factors, and whether jitter and grey fire.

    The result counts in `OPERATIONS`; its fields are [count, 5], grey last.
    """
    order = torch.rand(count, len(JITTER), generator=generator).argsort(1)
    low, high = torch.tensor(JITTER).unbind(1)
    factors = low + torch.rand(count, len(JITTER), generator=generator) * (high - low)
    jitters = torch.rand(count, 1, generator=generator) < JITTER_PROBABILITY
    greys = torch.rand(count, 1, generator=generator) < GREY_PROBABILITY
    return Steps(
        operation=torch.cat(
            (torch.where(jitters, order, -1), torch.where(greys, len(JITTER), -1)), 1
        ),
        amount=torch.cat((factors.gather(1, order), torch.zeros(count, 1)), 1).double(),
    )


def jitter(images: Tensor, steps: Steps) -> Tensor:
    """Return the images after their colour jitter, in each one's order, and grey."""
    return apply_steps(images, steps, OPERATIONS)
