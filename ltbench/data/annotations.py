"""Test labels of images with several each, read of the annotations that come with the images.

Every object that is annotated counts, as in DB's code (Wu et al. 2020): in VOC difficult ones too;
in COCO crowds too, but not boxes flagged `ignore`, without area, or with a side below one pixel.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ltbench.data import label_lists
from ltbench.data.description import Part
from ltbench.data.label_lists import LabelledImage, LabelSets, matrix
from ltbench.data.lists import ListedImage
from ltbench.data.packed import LISTS
from ltbench.data.published_lists import check_there
from ltbench.errors import LtbenchError, UsageError, first_line

VOC_CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)  # fmt: skip
_VOC = "VOCdevkit/VOC2007"
_COCO = "annotations/instances_val2017.json"


@dataclass(frozen=True)
class Layout:
    """Where a data set's images and annotations lie below a folder, and what is known of its tests.

    Paths are templates of an image's identifier.
    """

    train: str
    test: str
    also: str  # files beside the images that are needed, in words
    read: Callable[[Path], tuple[LabelledImage, ...]]  # the test images' identifiers and labels
    images: int  # of the test set
    fewest: int  # test images of the rarest label
    unlabelled: int  # test images without any label, which stay in

    def words(self) -> str:
        """Return in words what there must be in the folder."""
        where = dict.fromkeys(str(Path(path).parent) for path in (self.train, self.test))
        return f"{', '.join(where)}, {self.also}"


def read_annotated(
    name: str, classes: int, images: Path, *, verify: bool = True
) -> dict[Part, list[ListedImage]]:
    """Return the entries of both parts of a data set, labels as text, those of the test by name.

    The training list is the shipped one. No image may be in both parts, every image must be there,
    and where `verify` holds test images and labels must be as many as are known. Raises UsageError
    for other annotations, LtbenchError for files that are missing or do not read.
    """
    layout, trained = LAYOUTS[name], label_lists.shipped(name)
    try:
        tested = tuple(sorted(layout.read(images)))
    except FileNotFoundError as error:
        raise LtbenchError(
            f"{name} needs {error.filename}, which is not there; name the folder that has "
            f"{layout.words()} with --images."
        ) from None
    except (OSError, ValueError, LookupError, TypeError, ElementTree.ParseError) as error:
        raise LtbenchError(
            f"the annotations of {name} under {images} do not read ({first_line(error)}); unpack "
            "them again from their archive."
        ) from None
    if verify:
        _check_known(name, layout, tested, classes, images)
    parts: dict[Part, list[ListedImage]] = {
        "train": [_entry(layout.train, row, images, "train") for row in trained],
        "test": [_entry(layout.test, row, images, "test") for row in tested],
    }
    _check_apart(name, parts)
    check_there(name, parts, images)
    return parts


def write_labels(parts: dict[Part, list[ListedImage]], folder: Path) -> None:
    """Write the labels of packed images beside them: a line `path labels` an image, in order."""
    for part, entries in parts.items():
        lines = (f"{entry.name} {entry.label}\n" for entry in entries)
        (folder / f"{part}.txt").write_text("".join(lines), encoding="utf-8")


def read_labels(folder: Path, part: Part, classes: int) -> LabelSets:
    """Return the labels of packed images, [N, C]; raises LtbenchError where they are others."""
    rows = (line.split() for line in labelled_lines(folder, part))
    return matrix(tuple((path, tuple(map(int, labels))) for path, *labels in rows), classes)


def labelled_lines(folder: Path, part: Part) -> list[str]:
    """Return the lines `path labels` beside packed images; raises LtbenchError for others."""
    path = folder / f"{part}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        known = json.loads((folder / LISTS).read_text())[part]
    except (OSError, ValueError, KeyError):
        raise LtbenchError(f"{path} does not read; delete {folder} and prepare it again.") from None
    if hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest() != known:
        raise LtbenchError(f"{path} has other labels than were packed; prepare it again.")
    return lines


def _entry(template: str, row: LabelledImage, images: Path, part: Part) -> ListedImage:
    identifier, labels = row
    path = template.format(identifier)
    return ListedImage(path, images / path, " ".join(map(str, labels)), part)


def _check_apart(name: str, parts: dict[Part, list[ListedImage]]) -> None:
    """Raise UsageError for an image that is trained on and tested, or is tested twice."""
    trained, tested = ([Path(entry.name).name for entry in each] for each in parts.values())
    if both := sorted(set(trained) & set(tested)):
        raise UsageError(
            f"{len(both)} test images of {name} are training images, first {both[0]}; the "
            "annotations are of another part."
        )
    if len(set(tested)) < len(tested):
        raise UsageError(f"a test image of {name} is listed twice; unpack its annotations again.")


def _check_known(
    name: str, layout: Layout, tested: tuple[LabelledImage, ...], classes: int, images: Path
) -> None:
    """Raise UsageError unless test images and labels are as many as is known."""
    counts = matrix(tested, classes).sum(0)
    found = len(tested), int(counts.min()), sum(not labels for _, labels in tested)
    known = layout.images, layout.fewest, layout.unlabelled
    for what, value, expected in zip(
        ("test images", f"images of label {int(np.argmin(counts))}, the rarest,",
         "images without a label"), found, known, strict=True,
    ):  # fmt: skip
        if value != expected:
            raise UsageError(
                f"{name} has {value} {what} under {images}, and {expected} are known; use the "
                "annotations as they were published, or take these with --other-lists."
            )


def _voc(images: Path) -> tuple[LabelledImage, ...]:
    listed = (images / _VOC / "ImageSets" / "Main" / "test.txt").read_text().split()
    return tuple((each, _voc_labels(images / _VOC / "Annotations", each)) for each in listed)


def _voc_labels(folder: Path, identifier: str) -> tuple[int, ...]:
    objects = ElementTree.parse(folder / f"{identifier}.xml").getroot().findall("object")
    return tuple(sorted({VOC_CLASSES.index(each.findtext("name", "")) for each in objects}))


def _coco(images: Path) -> tuple[LabelledImage, ...]:
    found: dict[str, Any] = json.loads((images / _COCO).read_text(encoding="utf-8"))
    categories = sorted(each["id"] for each in found["categories"])
    labels: dict[int, set[int]] = {each["id"]: set() for each in found["images"]}
    for each in found["annotations"]:
        _, _, width, height = each["bbox"]
        if each["area"] > 0 and min(width, height) >= 1 and not each.get("ignore"):
            labels[each["image_id"]].add(categories.index(each["category_id"]))
    return tuple((f"{image:012d}", tuple(sorted(own))) for image, own in labels.items())


LAYOUTS: dict[str, Layout] = {
    "voc_lt": Layout(
        train="VOCdevkit/VOC2012/JPEGImages/{}.jpg", test=f"{_VOC}/JPEGImages/{{}}.jpg",
        also=f"{_VOC}/Annotations and {_VOC}/ImageSets/Main/test.txt of VOC 2007's test set",
        read=_voc, images=4952, fewest=98, unlabelled=0,
    ),
    "coco_lt": Layout(
        train="train2017/{:0>12}.jpg", test="val2017/{}.jpg", also=_COCO, read=_coco, images=5000,
        fewest=8, unlabelled=48,
    ),
}  # fmt: skip
