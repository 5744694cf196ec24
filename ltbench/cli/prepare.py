"""The packing of streamed images that `ltbench data prepare` asks for, and its progress."""

from __future__ import annotations  # annotations name classes whose modules import torch

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ltbench.errors import UsageError

if TYPE_CHECKING:
    from ltbench.data.catalog import Dataset

_EVERY = 5.0  # seconds between two lines of progress


ADAPTED = ("nus_wide_scene", "miml", "miml_lt")  # sets that become descriptions of one's own


class PackingProgress:
    """Prints how many images of a part are packed: every few seconds, and at the part's end."""

    def __init__(self) -> None:
        self._last = 0.0

    def __call__(self, part: str, count: int, done: int) -> None:
        """Take the number of a part's images, and how many of them are packed."""
        if done == count or time.monotonic() - self._last >= _EVERY:
            self._last = time.monotonic()
            line = f"ltbench: {part} {done:,} of {count:,} images"
            print(line, file=sys.stderr, flush=True)


def pack_images(
    names: list[str], images: Path | None, lists: Path | None, given: Path | None, *, verify: bool
) -> None:
    """Pack the images of one data set that comes as lists; raises UsageError for any other."""
    from ltbench.data.catalog import dataset
    from ltbench.data.category_names import FILES, kept_names
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
    root = data_root(given)
    packed = prepare(info, root, images, lists, PackingProgress(), verify=verify)
    if info.name in FILES and not kept_names(root / info.name):
        print(
            f"no names of classes: {' or '.join(FILES[info.name])} is not beside the lists, so "
            "methods that read names, such as lift, cannot be run on it"
        )
    if not packed:
        print(f"packed already: {root / info.name}; delete it to pack changed images")


def adapt(
    names: list[str],
    images: Path | None,
    lists: Path | None,
    imbalance: float | None,
    given: Path | None,
    *,
    verify: bool,
) -> Path:
    """Write list and description of a set of `ADAPTED` from a user's folder; return the latter."""
    from ltbench.data.adapted import write_description
    from ltbench.data.root import data_root

    (name, *others) = names
    if others or images is None or lists is None:
        raise UsageError(
            f"{name} is prepared alone, from the folder of its images and a file of their labels; "
            "name them with --images and --lists."
        )
    if imbalance is not None and name != "miml_lt":
        raise UsageError(f"{name} comes as it is; --imbalance is of miml_lt.")
    path = write_description(name, images, lists, data_root(given), imbalance, verify=verify)
    print(f"described: {path}; name it with --data {path} --dataset {path.stem}")
    return path


def pack_described(paths: list[Path], given: Path | None) -> None:
    """Pack the images that files describe, where they are to be streamed."""
    from ltbench.data.own_packed import pack_own
    from ltbench.data.root import data_root

    for path in paths:
        packed = pack_own(path, data_root(given), PackingProgress())
        if packed is not None:
            folder, new = packed
            remedy = "" if new else "; delete it to pack changed images"
            print(f"packed{'' if new else ' already'}: {folder}{remedy}")


def shrink_images(datasets: list[Dataset], side: int, given: Path | None) -> None:
    """Pack the images of streamed sets once more, with a shorter side of `side` pixels."""
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
        shrink(data_root(given) / info.name, str(info.file or info.name), side, PackingProgress())
