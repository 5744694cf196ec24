"""A data set from lists, from its archives to a table: prepared, trained on, shown."""

import json
from dataclasses import replace
from pathlib import Path

import made_images
import numpy as np
import pytest
from made_images import encoded, pixels
from PIL import Image

from ltbench.data import published_lists as published
from ltbench.data.catalog import CATALOG, KNOWN
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store
from ltbench.tables.cells import Reader

COUNTS = (8, 5, 3)


@pytest.fixture
def lists(home, monkeypatch):
    """ImageNet-LT in small, with its own ResNet-50; lists and images lie in two folders."""
    info = replace(
        CATALOG["imagenet_lt"], classes=3, head_count=8, test_count=2, counts=COUNTS,
        many_above=6, few_below=4,
    )  # fmt: skip
    monkeypatch.setitem(CATALOG, "imagenet_lt", info)
    monkeypatch.setitem(KNOWN, "imagenet_lt", info)
    shapes = {"train": (None, COUNTS), "val": (1, (1, 1, 1)), "test": (2, (2, 2, 2))}
    monkeypatch.setitem(
        published.LISTS,
        "imagenet_lt",
        {
            part: published.PublishedList(f"{part}.txt", count)
            for part, (count, _) in shapes.items()
        },
    )
    monkeypatch.setattr(published, "published_counts", lambda name: COUNTS)
    monkeypatch.setenv("LTBENCH_WORKERS", "0")
    (home / "lists").mkdir()
    number = 0
    for part, (_, counts) in shapes.items():
        lines = []
        for label, count in enumerate(counts):
            for _ in range(count):
                name = f"{part}/n{label}/{number}.JPEG"
                path = home / "images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(encoded(Image.fromarray(pixels(number)), "JPEG"))
                lines.append(f"{name} {label}")
                number += 1
        (home / "lists" / f"{part}.txt").write_text("\n".join(lines))
    return home


def read(path):
    return json.loads(path.read_text())


PREPARE = ("data", "prepare", "imagenet_lt", "--images", "images", "--lists", "lists")
RUN = ("run", "--dataset", "imagenet_lt", "--protocol", "smoke(fraction=1.0)", "--seeds", "1")


@pytest.mark.slow
def test_a_set_from_lists_is_prepared_trained_on_and_shown(ltbench, lists):
    before = ltbench(*RUN, "--methods", "ce")
    assert before.code == 1
    assert "imagenet_lt is not prepared under data" in before.err
    prepared = ltbench(*PREPARE)
    assert prepared.code == 0
    assert "train 16 of 16 images" in prepared.err
    assert "16 training images in 3 classes (8 to 3; 1 many, 1 medium, 1 few)" in prepared.out
    written = {path: path.stat().st_mtime_ns for path in Path("data").rglob("*.*")}
    again = ltbench(*PREPARE)
    assert "packed already: data/imagenet_lt; delete it to pack changed images" in again.out
    assert (again.code, again.err) == (0, "")
    assert written == {path: path.stat().st_mtime_ns for path in Path("data").rglob("*.*")}
    assert ltbench("data", "check", "imagenet_lt").code == 0
    assert ltbench("data", "describe", "imagenet_lt").code == 0
    three = (*RUN, "--methods", "ce,bcl,gkp_gsa(groups=2)", "--network", "resnet8", "--quiet")
    run = ltbench(*three)
    assert run.code == 0, run.err
    assert len(list((lists / "results" / "runs").rglob("seed0.json"))) == 3
    run = ltbench(*RUN, "--methods", "ce", "--quiet")  # by ResNet-50, the table's network
    assert run.code == 0, run.err
    paths = (lists / "results" / "runs").rglob("seed0.json")
    (found,) = (r for r in map(read, paths) if r["network"] == "resnet50")
    assert found["cost"]["parameters"] == 23_514_179
    table = ltbench("table", "2", "--protocol", "smoke(fraction=1.0)")
    assert table.code == 0
    assert "ImageNet-LT" in table.out
    assert f"{found['last']['top1']:.1f}" in table.out


@pytest.mark.parametrize(
    "words",
    [
        ("data", "prepare", "imagenet_lt", "--images", "images"),
        ("data", "prepare", "digits_lt", "--images", "images", "--lists", "lists"),
        ("data", "prepare", "--images", "images", "--lists", "lists"),
    ],
)
def test_images_and_lists_go_together_with_one_name(ltbench, lists, words):
    answer = ltbench(*words)
    assert answer.code == 2
    assert "--images and --lists go together" in answer.err


@pytest.mark.slow
@pytest.mark.usefixtures("known_again")
def test_images_of_ones_own_are_streamed_by_the_commands_that_the_page_shows(ltbench, home):
    made_images.folders(home / "photos", {"amsel": 9, "bussard": 6, "eule": 4})
    fields = {"name": "birds", "images": "photos", "test": 2, "stream": True, "size": 32}
    made_images.describe(home / "birds.yaml", **fields, network="resnet8")
    early = ltbench("run", "--data", "birds.yaml", "--methods", "ce", "--protocol", "smoke")
    assert early.code == 1
    assert "`ltbench data prepare birds.yaml`" in early.err
    packing = ltbench("data", "prepare", "birds.yaml")
    assert packing.code == 0, packing.err
    assert "train 13 of 13 images" in packing.err
    assert "packed: data/birds" in packing.out
    again = ltbench("data", "prepare", "birds.yaml")
    assert "packed already: data/birds; delete it to pack changed images" in again.out
    assert again.err == ""
    assert "13 training images in 3 classes (7 to 2" in packing.out
    assert ltbench("data", "check", "birds.yaml").code == 0
    shown = ltbench("data", "describe", "birds.yaml")
    assert "augmentation: random boxes, flip" in shown.out
    done = ltbench("run", "--data", "birds.yaml", "--methods", "ce", "--seeds", "1", "--quiet",
                   "--protocol", "smoke(fraction=1.0)")  # fmt: skip
    assert done.code == 0, done.err
    (record,) = (home / "results" / "runs").rglob("seed0.json")
    assert '"family":"imagenet_lt"' in record.read_text().replace(" ", "")


@pytest.mark.slow
def test_an_image_that_stops_reading_stops_its_run_or_is_left_out_and_recorded(ltbench, lists):
    root = ("--data-root", str(lists / "own"))  # of other tests a split is remembered by its root
    assert ltbench(*PREPARE, *root).code == 0
    entry = np.load("own/imagenet_lt/train.npy")[5]
    with Path("own/imagenet_lt/train.bin").open("r+b") as file:
        file.seek(int(entry["offset"]))
        file.write(b"\0" * int(entry["length"]))
    one = (*RUN, "--methods", "ce", "--network", "resnet8", "--quiet", *root)
    stopped = ltbench(*one)
    assert stopped.code == 1
    (failure,) = (lists / "results").rglob("*.failed.json")
    assert "own/imagenet_lt/train.bin does not read" in read(failure)["error"]
    assert "--on-bad-image skip leaves training images out" in read(failure)["error"]
    with pytest.warns(UserWarning, match="image 5 of .* left out"):
        skipped = ltbench(*one, "--on-bad-image", "skip")
    assert skipped.code == 0, skipped.err
    (path,) = (lists / "results" / "runs").rglob("seed0.json")
    record = read(path)
    assert record["data"]["skipped"] == [5]
    assert "1 training image left out that did not read (data.skipped)" in record["deviations"]
    table = ("table", "2", "--protocol", "smoke(fraction=1.0)")
    exact = path.read_text().replace("smoke(fraction=1.0)", "paper")
    assert ltbench(*table).code == 0
    reader = Reader(Store("results"))
    cell = Cell.of(Record.model_validate_json(exact))
    Store("results").path(cell).parent.mkdir(parents=True)
    Store("results").path(cell).write_text(exact)
    assert reader.record(cell) is None
    assert "left out 1 training image that did not read" in reader.problems[0]
