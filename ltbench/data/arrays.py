"""A whole data set in memory, before any long-tailed draw."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltbench.data.description import Part
from ltbench.data.splits import Indices
from ltbench.errors import UsageError

LARGEST = 4 << 30  # bytes of pixels that are held in memory

Images = npt.NDArray[np.uint8]  # [N, height, width, channels]


@dataclass(frozen=True)
class Arrays:
    """Images and labels [N] of each part; few sets have a validation part of their own."""

    train_images: Images
    train_labels: Indices
    test_images: Images
    test_labels: Indices
    validation_images: Images | None = None
    validation_labels: Indices | None = None


Parts = dict[Part, tuple[Images, Indices]]
"""Images and labels by part; training images are always there."""


@dataclass(frozen=True)
class Collected:
    """Images and labels by part, the classes, a hash of the images, and what was noticed."""

    parts: Parts
    classes: tuple[str, ...]
    sha256: str
    skipped: tuple[str, ...] = ()
    strangers: int = 0


def fits_memory(images: int, side: int, channels: int) -> bool:
    """Return whether images are few and small enough to be held in memory."""
    return images * side * side * channels <= LARGEST


def check_size(
    images: int, side: int, channels: int, remedy: str = "give a smaller `size`"
) -> None:
    """Raise UsageError, with the remedy, for images that would not fit the memory."""
    if not fits_memory(images, side, channels):
        raise UsageError(
            f"{images} images of {side} pixels need {images * side * side * channels / 1e9:.0f} GB "
            f"of memory, and {LARGEST / 1e9:.0f} are the most; {remedy}."
        )


def normalisation(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of pixels between 0 and 1, by channel, to four digits.

    A channel that is flat has the deviation one, so that it can be divided by.
    """
    levels = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.shape[-1]):
        shares = _shares(images[..., channel])
        centre = float(shares @ levels)
        spread = float(np.sqrt(shares @ (levels - centre) ** 2))
        mean.append(round(centre, 4))
        std.append(round(spread, 4) or 1.0)
    return tuple(mean), tuple(std)


def _shares(values: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    blocks = np.array_split(values, 1 + len(values) // 1000)  # bincount makes eight bytes of each
    counts = [np.bincount(block.ravel(), minlength=256) for block in blocks]
    shares: npt.NDArray[np.float64] = np.sum(counts, 0) / values.size
    return shares
