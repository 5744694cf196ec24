"""The labels of images that have several each; no image is read."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ltbench.data import mosaic
from ltbench.data.description import Part
from ltbench.data.info import DatasetInfo

LabelSets = npt.NDArray[np.int64]  # [N, C], of 0 and 1


def label_sets(
    info: DatasetInfo, part: Part, counts: Sequence[int], fraction: float, subset_seed: int
) -> LabelSets:
    """Return the labels of a part's images, of which `fraction` is kept.

    Training ones that are drawn have counts[c] of label c, by a seed.
    """
    return mosaic.labels_of(part, tuple(counts), fraction, subset_seed)
