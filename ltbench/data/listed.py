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
from ltbench.data.packed import LISTS, Packed, check_bytes, open_packed, shrunk
from ltbench.data.packing import pack
from ltbench.data.published_lists import read_published
from ltbench.data.readers import Split
from ltbench.data.splits import Indices, fingerprint
from ltbench.data.stream import Stored
from ltbench.errors import UsageError


def prepare(
    info: DatasetInfo,
    root: Path,
    images: Path,
    lists: Path,
    say: Callable[[Part, int, int], None] = lambda part, images, done: None,
    *,
    verify: bool = True,
) -> None:
    """Verify the lists and pack their images under `root`; what is packed already is kept.

    Raises UsageError for other lists, LtbenchError for missing or damaged images.
    """
    parts = read_published(info.name, lists, images, verify=verify)
    pack(parts, root / info.name, say)


def check(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError unless the packed images are there, by their sizes."""
    open_packed(root / info.name, info.name)


def compare(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError unless every byte of the packed images is what was packed."""
    check_bytes(root / info.name, info.name)


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
    parts = open_packed(folder, info.name)
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
        there = own < np.iinfo(np.int64).max
        most = max(1, round(fraction * (int(own[there].max()) + 1)))
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


def _index_in_class(packed: Packed) -> Indices:
    """Return the index of every image among those of its class, from 0 on, in the list's order.

    Of an image that was left out when it was packed it is the largest number there is.
    """
    there = np.flatnonzero(packed.index["length"] > 0)
    labels = np.asarray(packed.index["label"][there])
    order = np.argsort(labels, kind="stable")
    first = np.searchsorted(labels[order], np.arange(labels.max() + 1))
    index = np.full(len(packed.index), np.iinfo(np.int64).max)
    index[there[order]] = np.arange(len(labels)) - first[labels[order]]
    return index


def _stored(packed: Packed, rows: Indices) -> Stored:
    labels = np.asarray(packed.index["label"][rows], np.int64)
    return Stored(packed, rows, torch.from_numpy(labels))
