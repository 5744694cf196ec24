"""Data sets that come as published lists, from their packed images to a split."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ltbench.data.catalog import Dataset
from ltbench.data.description import Part
from ltbench.data.info import DatasetInfo
from ltbench.data.packed import LISTS, SOURCE, Packed, check_bytes, open_packed, shrunk, source_of
from ltbench.data.packing import pack
from ltbench.data.published_lists import read_published
from ltbench.data.readers import Split
from ltbench.data.splits import Indices, fingerprint
from ltbench.data.stream import Stored
from ltbench.errors import LtbenchError, UsageError


def prepare(
    info: DatasetInfo,
    root: Path,
    images: Path,
    lists: Path,
    say: Callable[[Part, int, int], None] = lambda part, images, done: None,
    *,
    verify: bool = True,
) -> bool:
    """Verify the lists and pack their images under `root`; False if they are packed already.

    Raises UsageError for other lists, LtbenchError for missing or damaged images.
    """
    parts = read_published(info.name, lists, images, verify=verify)
    return pack(parts, root / info.name, say)


def check(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError unless the packed images are there, by their sizes."""
    open_packed(root / info.name, _named(info))


def compare(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError unless every byte of the packed images is what was packed."""
    check_bytes(root / info.name, _named(info))


def load_listed(
    dataset: Dataset,
    root: Path,
    *,
    subset_seed: int,
    validation: int,
    fraction: float,
    stored_side: int | None = None,
) -> Split:
    """Return the split of a data set that comes as a list; its images stay in their file.

    The list is taken in its order; `fraction` keeps the first images of each class, and
    `validation` holds out the next; `stored_side` takes the images that `shrink` made. Raises
    LtbenchError where nothing is packed, UsageError for an impossible split.
    """
    info = dataset.info
    if subset_seed:
        raise UsageError(f"{info.name} comes as a list, so there is no subset to draw by a seed.")
    counts = dataset.class_counts(fraction=fraction, validation=validation)
    folder = shrunk(root / info.name, stored_side)
    parts = open_packed(folder, _named(info, stored_side))
    if stored_side is not None and (folder / SOURCE).read_text() != source_of(root / info.name):
        raise LtbenchError(
            f"{folder} is a copy of other images than {root / info.name} has; delete it and give "
            f"`ltbench data prepare {_named(info, stored_side)}` again."
        )
    index = _index_in_class(parts["train"])
    kept = np.asarray(counts)
    labels = np.asarray(parts["train"].index["label"])
    train = np.flatnonzero(index < kept[labels])
    held = None
    if validation:
        apart = (index >= kept[labels]) & (index < kept[labels] + validation)
        held = _stored(parts["train"], np.flatnonzero(apart))
    elif "val" in parts:
        own = _index_in_class(parts["val"])
        most = max(1, round(fraction * (int(own.max()) + 1)))
        held = _stored(parts["val"], np.flatnonzero(own < most))
    tested = np.asarray(dataset.test_counts(fraction))
    test = parts["test"]
    chosen = _index_in_class(test) < tested[np.asarray(test.index["label"])]
    whole = json.loads((folder / LISTS).read_text())["train"]
    if len(train) < len(labels):
        whole = hashlib.sha256(f"{whole}/{fingerprint(train)}".encode()).hexdigest()
    return Split(
        train=_stored(parts["train"], train),
        test=_stored(test, np.flatnonzero(chosen)),
        validation=held,
        class_counts=counts,
        indices_sha256=whole,
        held_out=validation,
    )


def _named(info: DatasetInfo, stored_side: int | None = None) -> str:
    """Return what `ltbench data prepare` is given to pack a set."""
    if stored_side is not None:
        return f"{info.file or info.name} --short {stored_side}"
    return str(info.file or f"{info.name} --images FOLDER --lists FOLDER")


def _index_in_class(packed: Packed) -> Indices:
    """Return the index of every image among those of its class, from 0 on, in the list's order."""
    labels = np.asarray(packed.index["label"])
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], np.arange(labels.max() + 1))
    index = np.empty(len(labels), np.int64)
    index[order] = np.arange(len(labels)) - first[labels[order]]
    return index


def _stored(packed: Packed, rows: Indices) -> Stored:
    labels = np.asarray(packed.index["label"][rows], np.int64)
    return Stored(packed, rows, torch.from_numpy(labels))
