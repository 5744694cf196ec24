"""A mini-batch, and seeds by purpose."""

import hashlib
from typing import NamedTuple

from torch import Tensor


def seed_of(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for one purpose of a run, so that no purpose disturbs another."""
    text = "/".join(map(str, (seed, *purpose)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


class Batch(NamedTuple):
    """A mini-batch of B training images."""

    views: tuple[Tensor, ...]  # each [B, channels, height, width], normalised
    targets: Tensor  # [B], int64; of images with several labels [B, C], float32, of 0 and 1
    indices: Tensor  # [B], int64: positions in the training set
    mix_targets: Tensor | None = None  # like targets: the labels of what is mixed into the images
    mix_ratio: Tensor | None = None  # [B], 0 to 1: of the own label in the loss

    @property
    def images(self) -> Tensor:
        """Return the first view."""
        return self.views[0]

    def select(self, member: Tensor | slice) -> "Batch":
        """Return the images that a boolean mask, an index tensor or a slice picks."""
        views = tuple(view[member] for view in self.views)
        rest = (None if part is None else part[member] for part in self[1:])
        return Batch(views, *rest)  # type: ignore[arg-type]  # only the last two may be None
