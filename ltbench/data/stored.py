"""Images of a packed data set, as a subset of which a feed makes batches."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ltbench.data.decoding import ImageDraws, Requests
from ltbench.data.packed import Packed
from ltbench.errors import LtbenchError

CHECK = "`ltbench data check` compares all bytes"


@dataclass(frozen=True)
class Stored:
    """Images of a packed data set: their rows in it, and labels on a device.

    Labels are [N], int64, or of images with several each [N, C], float32.
    """

    packed: Packed
    rows: npt.NDArray[np.int64]
    labels: Tensor
    whole: bool = False  # whether images are squashed to a square, not cut from the middle

    def to(self, device: torch.device) -> "Stored":
        """Return the images with their labels on a device."""
        return replace(self, labels=self.labels.to(device, copy=True))

    def part(self, where: slice) -> "Stored":
        """Return some of the images."""
        return replace(self, rows=self.rows[where], labels=self.labels[where])

    def pictures(self, indices: Tensor, side: int) -> Tensor:
        """Return the images at some indices, not augmented, uint8 [n, 3, side, side]."""
        rows = self.rows[indices.cpu().numpy()]
        drawn = (self.evaluated(rows),)
        found = Requests(self.packed, rows, drawn, side, max(1, len(rows)))[0]
        if isinstance(found, str):
            raise LtbenchError(found)
        for why in found.unreadable.values():
            raise LtbenchError(f"{why}; {CHECK}.")
        return found.images[0].permute(0, 3, 1, 2)

    def sizes(self, rows: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return width and height of the images in some rows, int64 [n] each."""
        sizes = self.packed.index[rows]
        width, height = (torch.from_numpy(sizes[n].astype(np.int64)) for n in ("width", "height"))
        return width, height

    def evaluated(self, rows: npt.NDArray[np.int64]) -> ImageDraws:
        """Return the boxes of images that are not augmented; of their middles there are none."""
        if not self.whole:
            return None
        width, height = self.sizes(rows)
        none = torch.zeros_like(width)
        return torch.stack((none, none, height, width, none), 1).double().numpy()

    def content(self) -> tuple[memoryview, ...]:
        """Return the hash of what is packed, and which of it there is."""
        labels = self.labels.cpu().numpy()
        return memoryview(self.packed.sha256.encode()), self.rows.data, labels.data
