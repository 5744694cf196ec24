"""Which image files a data set has, in which class and part: from folders, or from lists."""

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ltbench.data.description import PARTS, Description, Part, PathByPart
from ltbench.data.lists import PART_NAMES, ListedImage, plain, read_list
from ltbench.errors import UsageError


@dataclass(frozen=True)
class Listing:
    """The entries of a data set by part, class and name, and the classes in order."""

    entries: tuple[ListedImage, ...]
    classes: tuple[str, ...]
    strangers: int = 0  # files in class folders that no image's name ends like

    def indices(self, part: Part) -> list[int]:
        """Return the class of every entry of a part."""
        index_of = {label: index for index, label in enumerate(self.classes)}
        return [index_of[each.label] for each in self.entries if each.part == part]


def listing(description: Description, folder: Path) -> Listing:
    """Return what a description names; `folder` is that of its file.

    Raises UsageError for what is missing, out of range, empty or in two parts.
    """
    strangers = 0
    if description.list is not None:
        root = folder / Path(str(description.images or ".")).expanduser()
        entries = [
            entry
            for part, path in paths_of(description.list, folder)
            for entry in read_list(path, root, part)
        ]
        check_files(entries)
    else:
        assert description.images is not None
        entries, strangers = _walked(description.images, folder)
    classes = _classes(entries, description.classes)
    _check_parts(entries, classes, description.test)
    check_listed_once(entries)
    index_of = {label: index for index, label in enumerate(classes)}
    ordered = sorted(entries, key=lambda e: (PARTS.index(e.part), index_of[e.label], e.name))
    return Listing(tuple(ordered), tuple(classes), strangers)


def paths_of(given: PathByPart, folder: Path) -> list[tuple[Part | None, Path]]:
    """Return each path that a description gives, with its part where it says one."""
    if isinstance(given, str):
        return [(None, folder / Path(given).expanduser())]
    return [(part, folder / Path(path).expanduser()) for part, path in given.items()]


def _walked(given: PathByPart, folder: Path) -> tuple[list[ListedImage], int]:
    """Return the images below class folders, and how many other files lie there."""
    paths = paths_of(given, folder)
    if isinstance(given, str):
        root = paths[0][1]
        inner = {PART_NAMES.get(each.name.lower()): each for each in _folders(root)}
        # Parts that are folders themselves, as long as nothing beside them is a class.
        if None not in inner and "train" in inner:
            paths = [(part, inner[part]) for part in PARTS if part in inner]
    entries, strangers = [], 0
    for part, root in paths:
        for each in _folders(root):
            label = unicodedata.normalize("NFC", each.name)
            for path in _files(each):
                if path.suffix.lower() not in _suffixes():
                    strangers += 1
                    continue
                name = plain(path.relative_to(root).as_posix())
                entries.append(ListedImage(name, path, label, part or "train"))
    if not entries:
        where = paths[0][1]
        raise UsageError(
            f"{where} has no images in folders of classes; it must be like {where.name}/CLASS/"
            "IMAGE.jpg, with or without train and test folders above the classes."
        )
    return entries, strangers


def _folders(root: Path) -> list[Path]:
    """Return the visible folders in a folder."""
    try:
        with os.scandir(root) as found:
            return [Path(e.path) for e in found if e.is_dir() and not e.name.startswith(".")]
    except OSError as error:
        raise UsageError(f"image folder {root} does not read ({error.strerror}).") from None


def _files(folder: Path) -> Iterator[Path]:
    """Yield the visible files below a folder, at any depth."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename} does not read ({error.strerror}).")

    for where, inner, names in os.walk(folder, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (Path(where, name) for name in names if not name.startswith("."))


@cache
def _suffixes() -> frozenset[str]:
    from PIL import Image  # noqa: PLC0415  (tables read data sets' names, and no image)

    return frozenset(Image.registered_extensions())


def check_files(entries: Iterable[ListedImage]) -> None:
    """Raise UsageError for a listed file that is not there."""
    missing = [entry for entry in entries if not entry.path.is_file()]
    if missing:
        raise UsageError(
            f"{len(missing)} listed files are missing, first {missing[0].path}; paths in a list "
            "are relative to its description's `images`, or else to the description itself."
        )


def _classes(entries: Sequence[ListedImage], given: int | list[str] | None) -> list[str]:
    """Return the classes in order; numbers go by value. Raises UsageError for other labels."""
    found = {entry.label for entry in entries if entry.part == "train"}
    if given is not None:
        classes = _given(given, found)
        if len(set(classes)) < len(classes):
            raise UsageError("`classes` names a class twice.")
    elif all(label.isascii() and label.isdigit() for label in found):
        numbers = sorted(int(label) for label in found)
        classes = sorted(found, key=int)
        gap = next((n for n in range(numbers[0], numbers[-1]) if n not in numbers), None)
        if gap is not None and numbers[0] < 2:
            raise UsageError(
                f"class {gap} has no training image, and there are {numbers[-1]} and others beyond "
                "it; add images, or name the classes there are under `classes`."
            )
    elif all(_whole(label) for label in found):
        least = min(found, key=int)
        raise UsageError(f"class {least} is below 0; number the classes from 0 on, or name them.")
    else:
        classes = sorted(found)
    known = set(classes)
    for entry in entries:
        if entry.label not in known:
            where = "`classes` has not" if given is not None else "no training image has"
            raise UsageError(f"{entry.name} is of class {entry.label!r}, which {where}.")
    if len(classes) < 2:
        raise UsageError("there is one class only; a data set needs two or more.")
    return classes


def _whole(label: str) -> bool:
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit()


def _given(given: int | list[str], found: set[str]) -> list[str]:
    """Return the classes that a description gives: names, or how many there are of what is found.

    Labels that are numbers count from 0, so that one without images is missed.
    """
    if not isinstance(given, int):
        return list(map(str, given))
    if all(label.isascii() and label.isdigit() for label in found):
        return list(map(str, range(given)))
    if len(found) != given:
        raise UsageError(
            f"`classes: {given}`, and training images are of {len(found)}: "
            f"{', '.join(sorted(found))}; mend the number, or leave it out."
        )
    return sorted(found)


def _check_parts(entries: Sequence[ListedImage], classes: Sequence[str], test: int | None) -> None:
    """Raise UsageError for a class without images of a part, or too few to draw tests from."""
    counts = {part: dict.fromkeys(classes, 0) for part in PARTS}
    for entry in entries:
        counts[entry.part][entry.label] += 1
    given = [part for part in PARTS if any(counts[part].values())]
    if "test" in given and test is not None:
        raise UsageError("there are test images, and test: draws others; leave one out.")
    if "test" not in given and test is None:
        raise UsageError(
            "there are no test images; add a test part, or `test: 10` to draw ten of each class "
            "from the rest."
        )
    for part in given:
        for label, count in counts[part].items():
            if count == 0:
                raise UsageError(f"class {label!r} has no {part} image; add some, or drop it.")
    label, least = min(counts["train"].items(), key=lambda each: each[1])
    if test is not None and least <= test:
        raise UsageError(
            f"class {label!r} has {least} images, so that test: {test} leaves none to train on; "
            "draw fewer."
        )


def check_classes(
    counts: npt.NDArray[np.int64], classes: Sequence[str], part: Part, *, skipped: bool = False
) -> None:
    """Raise UsageError for a class without images of a part, perhaps after some were left out."""
    if counts.min() == 0:
        left = " that reads" if skipped else ""
        raise UsageError(f"class {classes[int(counts.argmin())]!r} has no {part} image{left}.")


def check_twins(
    trained: Iterable[tuple[str, ListedImage]], tested: Iterable[tuple[str, ListedImage]]
) -> None:
    """Raise UsageError for a test image whose hash a training image has, too."""
    seen = dict(trained)
    both = [(seen[digest], entry) for digest, entry in tested if digest in seen]
    if both:
        first, second = both[0]
        raise UsageError(
            f"{len(both)} test images are training images under another name, first {second.name}, "
            f"which is {first.name}; remove one of each two."
        )


def check_listed_once(entries: Sequence[ListedImage]) -> None:
    """Raise UsageError for a file that is listed twice, by whatever link."""
    seen: dict[str, ListedImage] = {}
    for entry in entries:
        other = seen.setdefault(os.path.realpath(entry.path), entry)
        if other is not entry:
            both = " and ".join(dict.fromkeys((other.part, entry.part)))
            raise UsageError(f"{entry.name} is listed twice, in {both}; take it out of one.")
