"""Lists of training images with several labels each, as they were published and come with ltbench.

VOC-LT and COCO-LT (Wu et al. 2020) were drawn in a way that cannot be repeated, so the lists are
what the sets are: an identifier and its labels a line.
"""

from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

LabelSets = npt.NDArray[np.int64]  # [N, C], of 0 and 1
LabelledImage = tuple[str, tuple[int, ...]]
"""An image's identifier and its labels."""


@cache
def shipped(name: str) -> tuple[LabelledImage, ...]:
    """Return the training images of a data set, in the order in which they were published."""
    text = files("ltbench.data").joinpath("label_lists", f"{name}.txt").read_text()
    rows = map(str.split, text.splitlines())
    return tuple((identifier, tuple(map(int, labels))) for identifier, *labels in rows)


def matrix(rows: tuple[LabelledImage, ...], classes: int) -> LabelSets:
    """Return the labels of rows, [N, C] of 0 and 1."""
    found = np.zeros((len(rows), classes), np.int64)
    for row, (_, labels) in zip(found, rows, strict=True):
        row[list(labels)] = 1
    return found


def leading(labels: LabelSets, fraction: float) -> npt.NDArray[np.int64]:
    """Return the images, in order, that a fraction of each label's keeps.

    One is kept where a label of it has had fewer than its share so far, at least one. So no label
    is lost, frequent ones come with rare ones more often than asked, and all are kept at 1. Having
    none counts as a label.
    """
    labels = np.hstack((labels, labels.sum(1, keepdims=True) == 0))
    counts = labels.sum(0)
    wanted = np.minimum(counts, np.maximum(1, np.round(fraction * counts)))
    had = np.zeros_like(counts)
    kept = []
    for index, row in enumerate(labels):
        if (had < wanted)[row == 1].any():
            kept.append(index)
            had += row
    return np.array(kept, np.int64)


def training_sets(name: str, classes: int, fraction: float) -> LabelSets:
    """Return the labels of the training images that a fraction keeps, [N, C]."""
    whole = matrix(shipped(name), classes)
    return whole[leading(whole, fraction)]
