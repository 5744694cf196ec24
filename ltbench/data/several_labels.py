"""Images of one's own with several labels each: from lists of them to labels beside what is packed.

A list is a CSV of path, label and perhaps split, labels with | between them; or of path, perhaps
split, and a column of 0 and 1 for each label; or it has lines `path 0,1,0` without a header.
"""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from ltbench.data.annotations import labelled_lines
from ltbench.data.description import Description, Part
from ltbench.data.label_lists import LabelSets, leading, matrix
from ltbench.data.listing import Listing, check_files, check_listed_once, paths_of
from ltbench.data.lists import ListedImage, lines_of, part_of, plain
from ltbench.data.profile import kept
from ltbench.errors import UsageError

SEPARATOR = "|"
_FLAGS = {"0": False, "1": True}


def several_listing(description: Description, folder: Path) -> Listing:
    """Return the images that a description lists, in order, and the labels' names.

    An entry's label has the numbers of its labels, `0|3`. Raises UsageError for what is missing,
    twice there, unknown, or without labels.
    """
    root = folder / Path(str(description.images or ".")).expanduser()
    entries: list[ListedImage] = []
    columns: dict[str, None] = {}
    assert description.list is not None
    for part, path in paths_of(description.list, folder):
        found, names = _read(path, root, part, description.classes)
        entries += found
        columns |= dict.fromkeys(names)
    check_files(entries)
    check_listed_once(entries)
    classes = _classes(entries, description.classes, list(columns))
    number_of = {name: str(number) for number, name in enumerate(classes)}
    numbered = []
    for entry in entries:
        labels = _split(entry.label)
        if not labels and description.unlabelled == "stop":
            raise UsageError(
                f"{entry.name} has no label; label it, take it out of the list, or keep such "
                "images by `unlabelled: keep` in the description."
            )
        for label in labels:
            if label not in number_of:
                where = "`classes` has not" if description.classes else "no training image has"
                raise UsageError(f"{entry.name} has label {label!r}, which {where}.")
        numbers = sorted({int(number_of[label]) for label in labels})
        numbered.append(replace(entry, label=SEPARATOR.join(map(str, numbers))))
    _check_parts(numbered, classes)
    return Listing(tuple(numbered), tuple(classes))


def read_labelled(path: Path, root: Path, part: Part | None = None) -> list[ListedImage]:
    """Return the entries of a list, their labels as text with | between; see above for its form."""
    entries, _ = _read(path, root, part, None)
    return [replace(each, label=SEPARATOR.join(_split(each.label))) for each in entries]


def label_matrix(entries: Sequence[ListedImage], classes: int) -> LabelSets:
    """Return the labels of entries that have numbers, [N, C] of 0 and 1."""
    rows = ((each.name, tuple(map(int, _split(each.label)))) for each in entries)
    return matrix(tuple(rows), classes)


def packed_labels(folder: Path, part: Part, classes: int) -> LabelSets:
    """Return the labels of packed images, [N, C]; raises LtbenchError where they are others."""
    rows = (line.rpartition(" ") for line in labelled_lines(folder, part))
    return matrix(tuple((name, tuple(map(int, _split(text)))) for name, _, text in rows), classes)


@cache
def leading_labels(folder: Path, part: Part, classes: int, fraction: float) -> LabelSets:
    """Return the labels of the packed images of which a fraction is kept."""
    labels = packed_labels(folder, part, classes)
    if part == "train":
        return labels[leading(labels, fraction)]
    return labels[: kept(len(labels), fraction)]


def check_labelled(labels: LabelSets, classes: Sequence[str], *, skipped: bool = False) -> None:
    """Raise UsageError for a label that no training image has, perhaps after some were left out."""
    counts = labels.sum(0)
    if counts.min() == 0:
        left = " that reads" if skipped else ""
        raise UsageError(
            f"label {classes[int(np.argmin(counts))]!r} is that of no training image{left}; add "
            "some, or take it out of the list."
        )


def _read(
    path: Path, root: Path, part: Part | None, classes: int | list[str] | None
) -> tuple[list[ListedImage], list[str]]:
    """Return the entries of a list, labels as text with | between, and the names of its columns."""
    lines = lines_of(path)
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    header = [each.strip() for each in next(csv.reader([first], delimiter=delimiter), [])]
    if "path" not in header:
        rows = list(_flagged(path, lines, classes))
        named: list[str] = []
    elif "label" in header:
        rows, named = list(_rows(lines, header, delimiter)), []
    else:
        named = [each for each in header if each and each not in ("path", "split")]
        rows = list(_by_column(path, _rows(lines, header, delimiter), named))
    if not rows:
        raise UsageError(f"list {path} has no image.")
    entries = []
    for number, row in rows:
        if not row["path"]:
            raise UsageError(f"{path}, line {number}: there is no path.")
        own = part or part_of(row.get("split", ""), path, number)
        name = plain(row["path"])
        entries.append(ListedImage(name, root / row["path"], plain(row["label"]), own))
    return entries, named


def _rows(
    lines: Sequence[str], header: Sequence[str], delimiter: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield line number and columns of every line after the header."""
    reader = csv.DictReader(lines[1:], header, delimiter=delimiter, skipinitialspace=True)
    for row in reader:
        yield reader.line_num + 1, {key: (row[key] or "").strip() for key in header}


def _by_column(
    path: Path, rows: Iterator[tuple[int, dict[str, str]]], named: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield rows with the names of the columns that have a 1 as their label."""
    for number, row in rows:
        for name in named:
            if row[name] not in _FLAGS:
                raise UsageError(
                    f"{path}, line {number}: column {name!r} has {row[name]!r}, not 0 or 1; or is "
                    "there a column label, with | between an image's labels?"
                )
        yield number, row | {"label": SEPARATOR.join(n for n in named if _FLAGS[row[n]])}


def _flagged(
    path: Path, lines: Sequence[str], classes: int | list[str] | None
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the rows of lines `path 0,1,0`, labels by the names in `classes`, else by number."""
    names = classes if isinstance(classes, list) else None
    wanted = len(names) if names else 0  # else as many flags as the first line has
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, text = line.strip().replace("\t", " ").rpartition(" ")
        flags = text.split(",")
        wanted = wanted or len(flags)
        fits = wanted == len(flags) > 1 and set(flags) <= set(_FLAGS)
        if not (name and fits):
            raise UsageError(
                f"{path}, line {number}: {line.strip()[:60]!r} is no `path 0,1,0` with a flag for "
                "each label; a CSV begins with a header that has path."
            )
        own = [names[at] if names else str(at) for at, flag in enumerate(flags) if flag == "1"]
        yield number, {"path": name.strip(), "label": SEPARATOR.join(own)}


def _split(text: str) -> list[str]:
    return [each.strip() for each in text.split(SEPARATOR) if each.strip()]


def _classes(
    entries: Sequence[ListedImage], given: int | list[str] | None, columns: list[str]
) -> list[str]:
    """Return the labels' names in order: as given, as columns stand, or sorted."""
    if isinstance(given, list):
        classes = list(map(str, given))
    elif columns:
        classes = columns
    else:
        found = {label for e in entries if e.part == "train" for label in _split(e.label)}
        numbers = all(label.isascii() and label.isdigit() for label in found)
        classes = sorted(found, key=int) if numbers else sorted(found)
    if isinstance(given, int) and len(classes) != given:
        raise UsageError(f"`classes: {given}`, and there are {len(classes)} labels; mend it.")
    if len(set(classes)) < len(classes) or len(classes) < 2:
        raise UsageError("a data set needs two or more labels, each named once.")
    return classes


def _check_parts(entries: Sequence[ListedImage], classes: Sequence[str]) -> None:
    for part in ("train", "test"):
        if not any(entry.part == part for entry in entries):
            raise UsageError(
                f"there are no {part} images; say which by a column split of train and test, or "
                "by a list of each."
            )
    check_labelled(label_matrix([e for e in entries if e.part == "train"], len(classes)), classes)
