"""Data sets that come as published lists: their class counts, checksums, and lists verified."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ltbench.data.description import Part
from ltbench.data.lists import ListedImage, read_list
from ltbench.data.profile import published_counts
from ltbench.errors import LtbenchError, UsageError

_WHERE = "facebookresearch/classifier-balancing publishes the lists"


@dataclass(frozen=True)
class PublishedList:
    """One part of a data set: its list's file name, and the SHA-256 where it is known."""

    name: str
    per_class: int | None  # images of each class; None: those of `published_counts`
    sha256: str | None = None
    flat: str | None = None  # folder that may hold the images without folders of classes


# Of the files of classifier-balancing; TensorFlow Datasets publishes the first two as well.
LISTS: dict[str, dict[Part, PublishedList]] = {
    "imagenet_lt": {
        "train": PublishedList(
            "ImageNet_LT_train.txt", None,
            "efdbdad4f050237c310b2f354cf95a8b1d7c8d57a63c4ea4bb6bf2bcb012f37f",
        ),
        "val": PublishedList(
            "ImageNet_LT_val.txt", 20,
            "9af7ba688acf9532ff5845a8fb14a1e97fdc4c51ac48bc72c08ea9c3f7ff142e",
        ),
        "test": PublishedList(
            "ImageNet_LT_test.txt", 50,
            "d1590191cf8a71fada7b1aaedaa2d139a2aea93ff2f1b755319d0bd8dbaa55d5", "val",
        ),
    },
    "places_lt": {
        "train": PublishedList(
            "Places_LT_train.txt", None,
            "726c4871dcbf07ce2f857703bfe32e9a83ffbf52d704239f6d95c4f4f4c247f7",
        ),
        "val": PublishedList(
            "Places_LT_val.txt", 20,
            "719e3cf3766c09134ea28f56f1036c78def511ac1ed2c2532a6beef78f2439ba",
        ),
        "test": PublishedList(
            "Places_LT_test.txt", 100,
            "44eee8441c8098c59195465abede425721bc35525d75209f9433b161a6eb37bc", "val",
        ),
    },
    "inaturalist2018": {
        "train": PublishedList("iNaturalist18_train.txt", None),
        "test": PublishedList(
            "iNaturalist18_val.txt", 3,
            "efaeff65f80641b60864470e6f255aa69453406ef5717eec8c6681748f3a61f3",
        ),
    },
}  # fmt: skip


def read_published(
    name: str, folder: Path, images: Path, *, verify: bool = True
) -> dict[Part, list[ListedImage]]:
    """Return the entries of every part of a data set, in the order of its lists.

    Each list must have the published checksum where one is known and `verify` holds, and always the
    published classes and counts; no image may be in two parts, and every image must be there, in
    the list's place below `images` or, where archives unpack so, in one flat folder. Raises
    UsageError, for a list that is another, LtbenchError for images that are missing.
    """
    parts: dict[Part, list[ListedImage]] = {}
    for part, published in LISTS[name].items():
        path = folder / published.name
        if not path.is_file():
            raise UsageError(f"{name} needs {path}, which is not there; {_WHERE}.")
        entries = read_list(path, images, part)
        _check_counts(path, entries, published, published_counts(name))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if verify and published.sha256 not in (None, found):
            raise UsageError(
                f"{path} has the published counts and another SHA-256 ({found[:12]}…): its images "
                f"or labels are others, as in some forks; {_WHERE}, and --other-lists takes these."
            )
        parts[part] = [_placed(entry, images, published.flat) for entry in entries]
    _check_apart(parts)
    check_there(name, parts, images)
    return parts


def _check_counts(
    path: Path, entries: Sequence[ListedImage], published: PublishedList, counts: Sequence[int]
) -> None:
    """Raise UsageError at the first class that has other images than published."""
    expected = list(counts) if published.per_class is None else [published.per_class] * len(counts)
    found = Counter(entry.label for entry in entries)
    for label, count in enumerate(expected):
        if found[str(label)] != count:
            raise UsageError(
                f"{path} has {found[str(label)]} images of class {label}, where {count} are "
                f"published, so it is another list; {_WHERE}."
            )
    strange = next((entry for entry in entries if not _is_class(entry.label, len(counts))), None)
    if strange is not None:
        raise UsageError(
            f"{path}: {strange.name} is of class {strange.label}, and there are 0 to "
            f"{len(counts) - 1}."
        )


def _is_class(label: str, classes: int) -> bool:
    return label.isascii() and label.isdigit() and int(label) < classes


def _placed(entry: ListedImage, images: Path, flat: str | None) -> ListedImage:
    """Return an entry with the file it has where an archive unpacked without class folders."""
    if flat is None or entry.path.exists():
        return entry
    name = entry.path.name
    others = (path for path in (images / flat / name, images / name) if path.exists())
    return ListedImage(entry.name, next(others, entry.path), entry.label, entry.part)


def _check_apart(parts: dict[Part, list[ListedImage]]) -> None:
    """Raise UsageError for an image in two parts, or twice in one."""
    seen: dict[str, Part] = {}
    for part, entries in parts.items():
        for entry in entries:
            if entry.name in seen:
                both = " and ".join(dict.fromkeys((seen[entry.name], part)))
                raise UsageError(f"{entry.name} is listed twice, in {both}.")
            seen[entry.name] = part


def check_there(name: str, parts: dict[Part, list[ListedImage]], images: Path) -> None:
    """Raise LtbenchError, naming the first, where images of some parts are not there."""
    missing = [e.name for entries in parts.values() for e in entries if not e.path.is_file()]
    if missing:
        raise LtbenchError(
            f"{len(missing)} images of {name} are not under {images}, first "
            f"{', '.join(missing[:3])}; unpack the archives there, or name their folder with "
            "--images."
        )
