"""The facts of a data set as `ltbench data describe` prints them."""

from __future__ import annotations  # annotations name classes whose modules import torch

from typing import TYPE_CHECKING

from ltbench.data.profile import SHOTS
from ltbench.errors import counted

if TYPE_CHECKING:
    from ltbench.data.catalog import Dataset
    from ltbench.data.readers import Split

_LISTED = 20  # classes whose counts are all listed


def facts_of(dataset: Dataset, classes: tuple[str, ...], split: Split) -> dict[str, object]:
    """Return the facts of a data set by name, in the order in which they are shown."""
    from ltbench.data.own import noticed

    info, counts = dataset.info, split.class_counts
    groups = dataset.shots()
    order = sorted(range(len(counts)), key=lambda label: -counts[label])
    several = info.kind == "multi"
    labels = split.test.labels
    tested = (labels.sum(0).int() if several else labels.bincount(minlength=len(counts))).tolist()
    named = [f"{classes[label]} {counts[label]}" for label in order]
    shown = named if len(named) <= _LISTED else [*named[:5], "…", *named[-5:]]
    balanced = "balanced" if min(tested) == max(tested) else f"{min(tested)} to {max(tested)} each"
    facts: dict[str, object] = {
        "data set": dataset,
        "training images": f"{len(split.train.labels)} in {counted(len(counts), 'class')}",
        "of each class": ", ".join(shown),
        "imbalance": f"{max(counts) / min(counts):.4g}",
        "shot groups": ", ".join(f"{groups.count(each)} {each}" for each in SHOTS)
        + f" (many above {info.many_above}, few below {info.few_below})",
        "test images": f"{len(labels)}, {balanced}",
    }
    if several:
        facts["labels an image"] = f"{sum(counts) / len(split.train.labels):.2f}"
    if split.validation is not None:
        facts["validation images"] = len(split.validation.labels)
    facts["size"] = " x ".join(map(str, info.shape))
    facts["mean, std"] = f"{list(info.mean)}, {list(info.std)}"
    boxes = "random boxes of most of it" if info.whole else "random boxes"
    crop = boxes if info.streamed else f"crop with padding {info.padding}"
    facts["augmentation"] = f"{crop}{', flip' * info.flip}"
    facts["network, protocol"] = f"{info.network}, {info.protocol}"
    if max(tested) != min(tested) and not several:
        facts["note"] = (
            "the test set is not balanced: top-1 is over images, so large classes count more"
        )
    return facts | noticed(info)
