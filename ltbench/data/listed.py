"""Data sets that come as published lists, from their packed images to a split."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ltbench.data.annotations import LAYOUTS, read_annotated, read_labels, write_labels
from ltbench.data.catalog import Dataset
from ltbench.data.category_names import keep_names, kept_names
from ltbench.data.description import Part
from ltbench.data.info import DatasetInfo
from ltbench.data.label_lists import leading
from ltbench.data.lists import ListedImage
from ltbench.data.packed import LISTS, SOURCE, Packed, check_bytes, open_packed, shrunk, source_of
from ltbench.data.packing import PackedImage, decoded, pack
from ltbench.data.profile import kept
from ltbench.data.published_lists import read_published
from ltbench.data.readers import Split
from ltbench.data.several_labels import packed_labels
from ltbench.data.splits import Indices, fingerprint
from ltbench.data.stored import Stored
from ltbench.errors import LtbenchError, UsageError


def prepare(
    info: DatasetInfo,
    root: Path,
    images: Path,
    lists: Path | None,
    say: Callable[[Part, int, int], None] = lambda part, images, done: None,
    *,
    verify: bool = True,
) -> bool:
    """Verify the lists and pack their images under `root`; False if they are packed already.

    `lists` is the folder of lists that were published; those of annotated images come with ltbench.
    Raises UsageError for other lists, LtbenchError for missing or damaged images.
    """
    folder = root / info.name
    if info.annotated:
        parts = read_annotated(info.name, info.classes, images, verify=verify)
        packed = pack(parts, folder, say, _unlabelled)
        write_labels(parts, folder)
        return packed
    assert lists is not None
    packed = pack(read_published(info.name, lists, images, verify=verify), folder, say)
    keep_names(info.name, lists, folder, info.classes)
    return packed


def check(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError unless the packed images are there, by their sizes."""
    open_packed(root / info.name, _named(info), _laid(info))


def compare(info: DatasetInfo, root: Path) -> None:
    """Raise LtbenchError unless every byte of the packed images is what was packed."""
    check_bytes(root / info.name, _named(info), _laid(info))


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
    parts = open_packed(folder, _named(info, stored_side), _laid(info, stored_side))
    if stored_side is not None and (folder / SOURCE).read_text() != source_of(root / info.name):
        raise LtbenchError(
            f"{folder} is a copy of other images than {root / info.name} has; delete it and give "
            f"`ltbench data prepare {_named(info, stored_side)}` again."
        )
    if info.annotated:
        return _annotated(info, parts, root / info.name, counts, fraction)
    index = _index_in_class(parts["train"])
    most = np.asarray(counts)
    labels = np.asarray(parts["train"].index["label"])
    train = np.flatnonzero(index < most[labels])
    held = None
    if validation:
        apart = (index >= most[labels]) & (index < most[labels] + validation)
        held = _stored(parts["train"], np.flatnonzero(apart))
    elif "val" in parts:
        own = _index_in_class(parts["val"])
        held = _stored(parts["val"], np.flatnonzero(own < kept(int(own.max()) + 1, fraction)))
    tested = np.asarray(dataset.test_counts(fraction))
    test = parts["test"]
    chosen = _index_in_class(test) < tested[np.asarray(test.index["label"])]
    return Split(
        train=_stored(parts["train"], train),
        test=_stored(test, np.flatnonzero(chosen)),
        validation=held,
        class_counts=counts,
        indices_sha256=_list_sha256(folder, train, len(labels)),
        held_out=validation,
        class_names=kept_names(root / info.name),
    )


def _annotated(
    info: DatasetInfo,
    parts: dict[Part, Packed],
    folder: Path,
    counts: tuple[int, ...],
    fraction: float,
) -> Split:
    """Return the split of images with several labels; of those not trained on the first stay."""
    read = read_labels if info.label_folder is None else packed_labels
    labels = {part: read(folder, part, info.classes) for part in parts}
    rows = {part: np.arange(kept(len(own), fraction)) for part, own in labels.items()}
    rows["train"] = leading(labels["train"], fraction)
    stored = {
        part: Stored(parts[part], own, torch.from_numpy(labels[part][own]).float(), info.whole)
        for part, own in rows.items()
    }
    sha256 = _list_sha256(folder, rows["train"], len(labels["train"]))
    return Split(stored["train"], stored["test"], stored.get("val"), counts, sha256)


def _list_sha256(folder: Path, train: Indices, images: int) -> str:
    """Return the hash of the training list, and of which of its images there are."""
    whole: str = json.loads((folder / LISTS).read_text())["train"]
    if len(train) == images:
        return whole
    return hashlib.sha256(f"{whole}/{fingerprint(train)}".encode()).hexdigest()


def _named(info: DatasetInfo, stored_side: int | None = None) -> str:
    """Return what `ltbench data prepare` is given to pack a set."""
    if stored_side is not None:
        return f"{info.file or info.name} --short {stored_side}"
    lists = "" if info.annotated else " --lists FOLDER"
    return str(info.file or f"{info.name} --images FOLDER{lists}")


def _laid(info: DatasetInfo, stored_side: int | None = None) -> str:
    """Return in words what must lie in the folder of an annotated set's images."""
    if stored_side is not None or not info.annotated or info.file is not None:
        return ""
    return f", where FOLDER has {LAYOUTS[info.name].words()}"


def _unlabelled(entry: ListedImage) -> PackedImage:
    """Return the row of an image whose labels are not in the index."""
    return decoded(replace(entry, label="0"))


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
