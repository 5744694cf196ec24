"""Views: augmented copies of all images of an epoch at once, never image by image.

A view takes uint8 images [N, C, H, H], C = 1 or 3, and gives as many of the same shape, each image
with a draw of its own. The bytes are those of torchvision's transforms on Pillow images with the
same parameters; normalisation comes later. Everything random is drawn on the CPU before a pixel is
touched by it, so a seed gives the same views on every device and for every chunk size.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ltbench.data.augment.autoaugment import autoaugment, cutout, draw_holes, draw_steps
from ltbench.data.augment.pixels import Draws, chunk_size
from ltbench.data.augment.simclr import draw_boxes, draw_jitter, jitter, resized_crop

ANY_AREA = (0.08, 1.0)  # of a resized crop, as torchvision draws it unless told otherwise


@dataclass(frozen=True)
class Augment:
    """The part of augmentation that belongs to a data set."""

    padding: int = 4  # of the random crop, in pixels
    flip: bool = True  # whether a mirrored image keeps its label (digits: no)


ViewPart = Callable[[Tensor, Augment, Generator], Tensor]
"""Uint8 images [N, C, H, H] to as many of the same shape: draws, then changes the images."""

View = tuple[ViewPart, ...]
"""What is done to the images, in order."""


@dataclass(frozen=True)
class Crops(Draws):
    """Crops of the padded image: upper left corners, int64 [N] each, and flips, bool [N]."""

    top: Tensor
    left: Tensor
    flip: Tensor


def draw_crops(count: int, augment: Augment, generator: Generator) -> Crops:
    """Draw a shift by up to the padding in both directions, and a flip, for each image."""
    top, left = torch.randint(2 * augment.padding + 1, (2, count), generator=generator)
    flip = torch.rand(count, generator=generator) < 0.5
    return Crops(top, left, flip & augment.flip)


def crop(images: Tensor, crops: Crops, padding: int) -> Tensor:
    """Pad with zeros, cut each image's window out and mirror it where drawn."""
    device, side = images.device, images.shape[-1]
    padded = F.pad(images, (padding,) * 4)
    windows = padded.unfold(2, side, 1).unfold(3, side, 1)
    every = torch.arange(len(images), device=device)
    cropped = windows[every, :, crops.top.to(device), crops.left.to(device)]
    mirrored = crops.flip.nonzero().squeeze(1).to(device)
    cropped[mirrored] = cropped.index_select(0, mirrored).flip(3)
    return cropped


def random_crop(images: Tensor, augment: Augment, generator: Generator) -> Tensor:
    """Random crop of the zero-padded image, and flip."""
    crops = draw_crops(len(images), augment, generator)
    return in_chunks(images, lambda part, rows: crop(part, crops.rows(rows), augment.padding))


def auto_augment(images: Tensor, _: Augment, generator: Generator) -> Tensor:
    """AutoAugment's CIFAR-10 policy."""
    return autoaugment(images, draw_steps(len(images), images.shape[-1], generator))


def random_cutout(images: Tensor, _: Augment, generator: Generator) -> Tensor:
    """Cutout."""
    holes = draw_holes(len(images), images.shape[-1], generator)
    return in_chunks(images, lambda part, rows: cutout(part, holes.rows(rows)))


def random_resized_crop(images: Tensor, augment: Augment, generator: Generator) -> Tensor:
    """Random resized crop, and flip."""
    boxes = draw_boxes(len(images), images.shape[-1], augment.flip, generator)
    return in_chunks(images, lambda part, rows: resized_crop(part, boxes.rows(rows)))


def any_resized_crop(images: Tensor, augment: Augment, generator: Generator) -> Tensor:
    """Random resized crop of torchvision's own range of areas, and flip."""
    side = images.shape[-1]
    boxes = draw_boxes(len(images), side, augment.flip, generator, ANY_AREA)
    return in_chunks(images, lambda part, rows: resized_crop(part, boxes.rows(rows)))


def colour_jitter(images: Tensor, _: Augment, generator: Generator) -> Tensor:
    """Colour jitter, grey."""
    return jitter(images, draw_jitter(len(images), generator))


VIEWS: dict[str, View] = {
    "clean": (),
    "standard": (random_crop,),
    "autoaugment": (random_crop, auto_augment, random_cutout),
    "contrastive": (random_resized_crop, colour_jitter),
    "resized": (any_resized_crop,),
}


def view_of(name: str) -> View:
    """Return the parts of a named view; raises ValueError for a name that is not in `VIEWS`."""
    if name not in VIEWS:
        raise ValueError(f"unknown view '{name}'; known: {', '.join(VIEWS)}.")
    return VIEWS[name]


def render(view: str | View, images: Tensor, augment: Augment, generator: Generator) -> Tensor:
    """Return a view of uint8 images [N, C, H, H], C = 1 or 3, of their shape and on their device.

    `generator` is a CPU generator, from which the parts draw in order. The last part may give
    levels 0 to 255 as float32, not rounded to bytes. Raises ValueError for other images, and for a
    part that gives others.
    """
    shape = images.shape
    square = len(shape) == 4 and shape[1] in (1, 3) and shape[2] == shape[3]
    if images.dtype != torch.uint8 or not square:
        raise ValueError(
            "views are made of uint8 images [N, C, H, H] with C = 1 or 3; these are "
            f"{images.dtype} {list(shape)}."
        )
    images = images.contiguous()
    parts = view_of(view) if isinstance(view, str) else view
    for number, part in enumerate(parts, 1):
        kinds = (torch.uint8, torch.float32)[: 1 + (number == len(parts))]
        images = part(images, augment, generator)
        if images.dtype not in kinds or images.shape != shape:
            name = getattr(part, "__name__", type(part).__name__)
            raise ValueError(
                f"{name} makes {images.dtype} {list(images.shape)} of uint8 images {list(shape)}; "
                "a part of a view keeps shape and type, but for the last, which may give float32."
            )
    return images


def in_chunks(
    images: Tensor, apply: Callable[[Tensor, slice], Tensor], dtype: torch.dtype = torch.uint8
) -> Tensor:
    """Return apply(images[rows], rows) for all rows, as many at a time as fit a cache."""
    output = torch.empty_like(images, dtype=dtype)
    size = chunk_size(images)
    for start in range(0, len(images), size):
        rows = slice(start, start + size)
        output[rows] = apply(images[rows], rows)
    return output
