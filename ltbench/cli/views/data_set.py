"""What there is to say of a data set."""

from __future__ import annotations  # annotations name classes whose modules import torch

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ltbench.data.profile import SHOTS
from ltbench.errors import UsageError, counted

if TYPE_CHECKING:
    from ltbench.data.catalog import Dataset
    from ltbench.data.readers import Split

_EVERY = 5.0  # seconds between two words on how far packing is
_LISTED = 20  # classes whose counts are all said


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


def _seldom(say: Callable[[str, int, int], None]) -> Callable[[str, int, int], None]:
    """Pass on what is said every few seconds, and the end of a part."""
    last = 0.0

    def heard(part: str, count: int, done: int) -> None:
        nonlocal last
        if done == count or time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            say(part, count, done)

    return heard


def pack_images(
    names: list[str], images: Path | None, lists: Path | None, given: Path | None, *, verify: bool
) -> None:
    """Pack the images of one data set that comes as lists, saying how far it is."""
    from ltbench.data.catalog import dataset
    from ltbench.data.listed import prepare
    from ltbench.data.root import data_root

    info = dataset(names[0]).info if len(names) == 1 else None
    if info is not None and info.annotated and lists is not None:
        raise UsageError(f"the lists of {info.name} come with ltbench; leave --lists out.")
    whole = info is not None and (lists is not None or info.annotated)
    if info is None or not info.streamed or info.file or images is None or not whole:
        raise UsageError(
            "--images and --lists go together, with the name of one data set that comes as lists, "
            "such as imagenet_lt; voc_lt and coco_lt take --images alone."
        )

    prepare(info, data_root(given), images, lists, _seldom(_say_packed), verify=verify)


def pack_described(paths: list[Path], given: Path | None) -> None:
    """Pack the images that files describe, if they are to be streamed, saying how far it is."""
    from ltbench.data.own_packed import pack_own
    from ltbench.data.root import data_root

    for path in paths:
        folder = pack_own(path, data_root(given), _seldom(_say_packed))
        if folder is not None:
            print(f"packed: {folder}")


def shrink_images(datasets: list[Dataset], side: int, given: Path | None) -> None:
    """Pack the images of large sets once more with a shorter side, saying how far it is."""
    from ltbench.data.packing import shrink
    from ltbench.data.root import data_root

    resident = [each.info.name for each in datasets if not each.info.streamed]
    if resident or not datasets:
        raise UsageError(
            f"--short is for data sets that are streamed, such as imagenet_lt; "
            f"{resident[0] + ' is not' if resident else 'name one'}."
        )
    for each in datasets:
        info = each.info
        named, say = str(info.file or info.name), _seldom(_say_packed)
        shrink(data_root(given) / info.name, named, side, say)


def _say_packed(part: str, count: int, done: int) -> None:
    print(f"ltbench: {part} {done:,} of {count:,} images", file=sys.stderr, flush=True)
