"""What a worker process does to an image: decode, cut, scale, and what RandAugment asks for."""

import io
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ltbench.data.augment import randaugment
from ltbench.data.packed import Packed
from ltbench.data.pictures import damage
from ltbench.errors import LtbenchError

SHORTER = 256 / 224  # of the image's shorter side to the middle that is evaluated
_BOX = 5  # columns: top, left, height, width, flip
ImageDraws = npt.NDArray[np.float64] | None
"""Of each image its box and flip, and what RandAugment does to it; None: the middle, unchanged."""


class Decoded(NamedTuple):
    """A batch's images, and in a sentence each why some do not read, by their place in it."""

    images: Tensor  # uint8 [views, B, side, side, 3]; zero where one does not read
    unreadable: dict[int, str]


class Requests(Dataset[Decoded | str]):
    """Batch by batch: images of a packed data set through every view's boxes."""

    def __init__(
        self,
        packed: Packed,
        rows: npt.NDArray[np.int64],
        drawn: tuple[ImageDraws, ...],
        side: int,
        batch_size: int,
    ) -> None:
        self.packed, self.rows, self.side, self.batch_size = packed, rows, side, batch_size
        self.drawn = drawn

    def __getitem__(self, number: int) -> Decoded | str:
        """Return a batch's images, or why their file does not read."""
        first = number * self.batch_size
        rows = self.rows[first : first + self.batch_size]
        made = np.zeros((len(self.drawn), len(rows), self.side, self.side, 3), np.uint8)
        unreadable = {}
        for index, row in enumerate(rows.tolist()):
            try:
                whole = rgb(self.packed.content(row))
            except LtbenchError as error:
                return str(error)
            except Exception as error:  # damage breaks Pillow's decoders in many ways
                unreadable[index] = (
                    f"image {row} of {self.packed.folder / self.packed.part}.bin does not read "
                    f"({damage(error)})"
                )
                continue
            for view, table in enumerate(self.drawn):
                drawn = [] if table is None else table[first + index].tolist()
                seen = cut(whole, drawn[:_BOX], self.side)
                if drawn[_BOX:]:
                    seen = randaugment.change(seen, drawn[_BOX:])
                made[view, index] = np.asarray(seen)
        return Decoded(torch.from_numpy(made), unreadable)


def rgb(content: bytes) -> Image.Image:
    """Return the RGB image of a file's content, decoded whole; raises whatever Pillow does."""
    image: Image.Image = Image.open(io.BytesIO(content))
    image.load()
    return image if image.mode == "RGB" else image.convert("RGB")  # which would copy an RGB one


def cut(image: Image.Image, box: Sequence[float], side: int) -> Image.Image:
    """Return a box of an RGB image scaled to a square of `side`, mirrored where it says so.

    As torchvision's `resized_crop` on Pillow images; without a box as its `Resize` of the shorter
    side to 256 / 224 of `side`, then `CenterCrop`.
    """
    if not box:
        return _middle(image, side)
    top, left, height, width, flip = map(int, box)
    made = image.crop((left, top, left + width, top + height))
    made = made.resize((side, side), Image.Resampling.BILINEAR)
    return made.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else made


def _middle(image: Image.Image, side: int) -> Image.Image:
    width, height = image.size
    short = round(side * SHORTER)
    if width <= height:
        size = short, int(short * height / width)
    else:
        size = int(short * width / height), short
    scaled = image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
    left, top = round((size[0] - side) / 2), round((size[1] - side) / 2)
    return scaled.crop((left, top, left + side, top + side))
