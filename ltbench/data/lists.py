"""Lists of images: a CSV of path, label and split, or lines `path label` as papers publish them."""

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ltbench.data.description import Part
from ltbench.errors import UsageError

PART_NAMES: dict[str, Part] = {
    "train": "train", "training": "train", "test": "test", "testing": "test",
    "val": "val", "valid": "val", "validation": "val",
}  # fmt: skip


_COLUMNS = ("path", "label", "split")


@dataclass(frozen=True)
class ListedImage:
    """One image: its name in the list or below the folder, its file, label and part."""

    name: str
    path: Path
    label: str
    part: Part


def read_list(path: Path, root: Path, part: Part | None = None) -> list[ListedImage]:
    """Return the entries of a list; its paths are relative to `root`.

    It is a CSV with a header that has path and label, and perhaps split (train, test or val), or
    has lines `path label` as published lists have. `part` is that of all entries; without one, and
    without a split, they are training images. Raises UsageError, with the line, for others.
    """
    rows = list(_rows(path, lines_of(path)))
    if not rows:
        raise UsageError(f"list {path} has no image.")
    entries = []
    for number, name, label, split in rows:
        own = part or part_of(split, path, number)
        if not name or not label:
            raise UsageError(f"{path}, line {number}: there is no path or no label.")
        text = unicodedata.normalize("NFC", label)
        entries.append(ListedImage(plain(name), root / name, text, own))
    return entries


def lines_of(path: Path) -> list[str]:
    """Return the lines of a list; raises UsageError where it does not read."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"list {path} does not read ({error.strerror}).") from None
    except UnicodeDecodeError:
        raise UsageError(f"list {path} is not in UTF-8; save it so.") from None


def part_of(split: str, path: Path, number: int) -> Part:
    """Return the part that a line's split names, train where it is empty; else UsageError."""
    part = PART_NAMES.get(split.lower() or "train")
    if part is None:
        raise UsageError(f"{path}, line {number}: split is {split!r}, not train, test or val.")
    return part


def _rows(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, path, label and split of every line that is not empty."""
    first = lines[0].lower() if lines else ""
    delimiter = max(",;\t", key=first.count)
    header = [each.strip().strip('"') for each in first.split(delimiter)]
    if {"path", "label"} <= set(header):
        reader = csv.DictReader(lines[1:], header, delimiter=delimiter, skipinitialspace=True)
        for row in reader:
            name, label, split = ((row.get(key) or "").strip() for key in _COLUMNS)
            yield reader.line_num + 1, name, label, split
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            name, _, label = line.strip().replace("\t", " ").rpartition(" ")
            if not name:
                raise UsageError(
                    f"{path}, line {number}: {line.strip()[:60]!r} is no `path label`; a CSV "
                    "begins with a header that has path and label."
                )
            yield number, name.strip(), label, ""


def plain(name: str) -> str:
    """Return a name that is the same on every file system."""
    return unicodedata.normalize("NFC", name.replace("\\", "/"))
