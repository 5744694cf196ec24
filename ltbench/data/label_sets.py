"""The labels of images that have several each; no image is read."""

from collections.abc import Sequence

from ltbench.data import label_lists, mosaic
from ltbench.data.description import Part
from ltbench.data.info import DatasetInfo
from ltbench.data.label_lists import LabelSets
from ltbench.data.several_labels import leading_labels


def label_sets(
    info: DatasetInfo, part: Part, counts: Sequence[int], fraction: float, subset_seed: int
) -> LabelSets:
    """Return the labels of a part's images, of which `fraction` is kept.

    Training ones that are drawn have counts[c] of label c, by a seed; those of a list come with it.
    """
    if info.label_folder is not None:
        return leading_labels(info.label_folder, part, info.classes, fraction)
    if info.listed:
        assert part == "train", "test labels come with the images"
        return label_lists.training_sets(info.name, info.classes, fraction)
    return mosaic.labels_of(part, tuple(counts), fraction, subset_seed)
