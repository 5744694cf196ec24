"""The open-set F that follows from accuracies alone: that of a classifier that never rejects.

Over N known and M unknown test images and a closed accuracy a in [0, 1],

    F_0 = 2 a / (1 + a + M / N)

Only F - F_0 says anything of telling unknown images from known ones.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ltbench.data.profile import SHOTS


class PublishedOpenSet(NamedTuple):
    """An open set of the papers: M / N, and how many classes each shot group has."""

    ratio: float
    classes: dict[str, int]


# OLTR's test lists: 18,000 images of ILSVRC-2010's other classes, 6,600 of Places-Extra69.
OPEN_SETS = {
    "imagenet_lt": PublishedOpenSet(
        18_000 / 50_000, dict(zip(SHOTS, (385, 479, 136), strict=True))
    ),
    "places_lt": PublishedOpenSet(6_600 / 36_500, dict(zip(SHOTS, (131, 163, 71), strict=True))),
}


def never_rejecting(accuracy: float, ratio: float) -> float:
    """Return F_0 of a closed accuracy in [0, 1] and M / N."""
    return 2 * accuracy / (1 + accuracy + ratio)


def floor_of(dataset: str, shots: Mapping[str, float | None]) -> float | None:
    """Return F_0 of a published open set from the accuracies of its shot groups, in percent.

    None where one of them is missing, or the data set has no published open set.
    """
    found = OPEN_SETS.get(dataset)
    if found is None:
        return None
    right = 0.0
    for shot, classes in found.classes.items():
        accuracy = shots.get(shot)
        if accuracy is None:
            return None
        right += classes * accuracy / 100
    return never_rejecting(right / sum(found.classes.values()), found.ratio)
