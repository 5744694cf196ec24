"""VOC and COCO trees made up for tests: tiny JPEGs, annotations, and a list of training images."""

import json
from dataclasses import replace

from made_images import encoded, pixels
from PIL import Image

from ltbench.data import annotations, label_lists
from ltbench.data.annotations import VOC_CLASSES
from ltbench.data.catalog import CATALOG, KNOWN

CLASSES = 4
TRAIN = (
    *((f"2008_{n:06d}", (0,)) for n in range(5)), ("2009_000005", (0, 1)),
    ("2009_000006", (2, 1)), ("2009_000007", (0, 1, 3)), ("2010_000008", (1, 2)),
    ("2010_000009", (1,)), ("2011_000010", (2,)), ("2011_000011", (0, 2)), ("2011_000012", (0,)),
)  # fmt: skip
COUNTS = (9, 5, 4, 1)
TEST = {
    "000003": (0,), "000001": (1, 3), "000002": (), "000005": (2,), "000004": (0, 1),
    "000008": (3, 0), "000006": (2,), "000007": (1,),
}  # fmt: skip
KNOWN_TESTS = {"images": 8, "fewest": 2, "unlabelled": 1}


def made_up(monkeypatch, name="voc_lt", train=TRAIN, **facts):
    """Make a set small: its list, its counts, and what is known of its test images."""
    info = replace(
        CATALOG[name], classes=CLASSES, head_count=9, test_count=8, counts=COUNTS, imbalance=9.0,
        many_above=4, few_below=3,
    )  # fmt: skip
    monkeypatch.setitem(CATALOG, name, info)
    monkeypatch.setitem(KNOWN, name, info)
    monkeypatch.setattr(label_lists, "shipped", lambda name: tuple(train))
    layout = replace(annotations.LAYOUTS[name], **(KNOWN_TESTS | facts))
    monkeypatch.setitem(annotations.LAYOUTS, name, layout)
    monkeypatch.setenv("LTBENCH_WORKERS", "0")
    return info


def image(path, seed):
    """Write a small JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.fromarray(pixels(seed, 24 + seed % 3 * 8, 40)), "JPEG"))


def voc_tree(root, train=TRAIN, test=TEST):
    """Write VOC 2012's training images, and VOC 2007's test images with their annotations."""
    for seed, (name, _) in enumerate(train):
        image(root / "VOCdevkit/VOC2012/JPEGImages" / f"{name}.jpg", seed)
    base = root / "VOCdevkit/VOC2007"
    for seed, (name, labels) in enumerate(test.items()):
        image(base / "JPEGImages" / f"{name}.jpg", 100 + seed)
        objects = "".join(
            f"<object><name>{VOC_CLASSES[c]}</name><difficult>{n}</difficult>"
            f"<part><name>{VOC_CLASSES[19]}</name></part></object>"
            for c in labels for n in (0, 1)[-1 - (c == 0) :]
        )  # fmt: skip
        path = base / "Annotations" / f"{name}.xml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<annotation><folder>VOC2007</folder>{objects}</annotation>")
    listed = base / "ImageSets/Main/test.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("".join(f"{name}\n" for name in test))
    return root


def coco_tree(root, train, test=TEST, more=()):
    """Write COCO's training and validation images, and the annotations of the latter.

    `more` are annotations of image 2 beside those that `test` gives.
    """
    ids = (1, 7, 44, 90)  # categories; their numbers have gaps, as COCO's have
    for seed, (name, _) in enumerate(train):
        image(root / "train2017" / f"{int(name):012d}.jpg", seed)
    for seed, name in enumerate(test):
        image(root / "val2017" / f"{int(name):012d}.jpg", 100 + seed)
    box = {"bbox": [1, 1, 5, 5], "area": 20.0, "iscrowd": 0}
    found = [
        {"image_id": int(name), "category_id": ids[c], **box}
        for name, own in test.items() for c in own
    ]  # fmt: skip
    found += [
        {"image_id": 2, **box, **each, "category_id": ids[each["category_id"]]} for each in more
    ]
    content = {
        "images": [{"id": int(name)} for name in test],
        "categories": [{"id": each} for each in reversed(ids)],
        "annotations": found,
    }
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations/instances_val2017.json").write_text(json.dumps(content))
    return root
