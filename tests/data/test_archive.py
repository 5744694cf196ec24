"""Splits in an archive: the same bytes back, and one sentence for what was damaged or made up."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from archives import rewritten
from PIL import Image

from ltbench.data import archive as module
from ltbench.data.archive import MANIFEST, Archive, Writer
from ltbench.data.catalog import dataset
from ltbench.data.loading import check_there, load
from ltbench.data.readers import Split, Subset, pixels_sha256
from ltbench.errors import LtbenchError, UsageError

DIGITS, CIFAR = dataset("digits_lt"), dataset("cifar100_lt(imbalance=1)")
PART = 0.02  # of CIFAR: ten training images a class, two of them held out
ASKED = {"subset_seed": 0, "validation": 0, "fraction": 1.0}


def noise(counts, shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return Subset.noise(torch.tensor(counts), shape, draw)


@pytest.fixture
def packed(tmp_path):
    """Write an archive of splits by their data sets, and return its path."""

    def write(splits, **asked):
        path = tmp_path / "job.zip"
        with zipfile.ZipFile(path, "w") as archive:
            writer = Writer(archive)
            for data, split in splits.items():
                writer.add_split(split, data, **{"subset_seed": 0, "fraction": 1.0, **asked})
            writer.add_plan(b"{}")
        return path

    return write


@pytest.fixture
def made():
    """Colour images that fill two files and a bit, with others held out."""
    return Split(
        noise([8] * 100, (3, 32, 32)), noise([2] * 100, (3, 32, 32), 1),
        noise([2] * 100, (3, 32, 32), 2), (8,) * 100, "0" * 64, 2,
    )  # fmt: skip


@pytest.fixture
def digits(tmp_path):
    return load(DIGITS, tmp_path, **ASKED)


def same(one, other):
    return torch.equal(one.images, other.images) and torch.equal(one.labels, other.labels)


def test_images_labels_and_facts_come_back_as_they_were(packed, made, digits):
    path = packed({CIFAR: made}, fraction=PART)
    back = load(CIFAR, path, subset_seed=0, validation=2, fraction=PART)
    assert pixels_sha256(back) == pixels_sha256(made)
    assert same(back.train, made.train)
    assert same(back.validation, made.validation)
    assert (back.class_counts, back.indices_sha256, back.held_out) == ((8,) * 100, "0" * 64, 2)
    path = packed({DIGITS: digits})
    alone = load(DIGITS, path, **ASKED)
    assert same(alone.train, digits.train)
    assert same(alone.test, digits.test)
    assert alone.validation is None
    assert alone.indices_sha256 == digits.indices_sha256
    assert alone.train.labels.dtype == torch.int64
    check_there(DIGITS.info, path)


def test_labels_of_several_each_come_back_as_they_were(packed, tmp_path):
    mosaic = dataset("digits_mosaic")
    split = load(mosaic, tmp_path, subset_seed=0, fraction=0.05)
    path = packed({mosaic: split}, fraction=0.05)
    back = load(mosaic, path, subset_seed=0, fraction=0.05)
    assert same(back.train, split.train)
    assert same(back.test, split.test)
    assert back.train.labels.dtype == torch.float32
    assert pixels_sha256(back) == pixels_sha256(split)


def test_equal_images_are_there_once_and_equal_archives_are_equal_bytes(packed, made):
    once = packed({CIFAR: made}).read_bytes()
    assert packed({CIFAR: made}).read_bytes() == once
    other = dataset("cifar100_lt(imbalance=50)")
    twice = packed({CIFAR: made, other: made}).read_bytes()
    assert len(twice) < 1.01 * len(once)


def test_what_was_not_packed_is_said(packed, digits):
    path = packed({DIGITS: digits})
    for data, changed in ((CIFAR, {}), (DIGITS, {"fraction": 0.5}), (DIGITS, {"subset_seed": 1})):
        with pytest.raises(LtbenchError, match=r"does not hold these images of .*; pack them"):
            load(data, path, **{**ASKED, **changed})


def test_streamed_images_are_refused(packed, made):
    class Streamed:
        labels = torch.zeros(1)

    with pytest.raises(UsageError, match="do not go into an archive"):
        packed({CIFAR: replace(made, train=Streamed())})


def altered(path, change):
    """Write the files of an archive anew, as `change` says of each name and content."""

    def alter(files):
        changed = {name: change(name, content) for name, content in files.items()}
        files.clear()
        files.update({name: new for name, new in changed.items() if new is not None})

    rewritten(path, alter)


def manifest(**changes):
    def change(name, content):
        return json.dumps(json.loads(content) | changes).encode() if name == MANIFEST else content

    return change


def sheet(height, mode="L"):
    content = io.BytesIO()
    Image.new(mode, (8, height)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        lambda name, content: None if name == MANIFEST else content,
        lambda name, content: None if name.endswith(".npy") else content,
        lambda name, content: content[:-20] if name.endswith(".png") else content,
        lambda name, content: b"{" if name == MANIFEST else content,
        manifest(format="ltbench job 2"),
        manifest(files={}),
        manifest(splits=1),
    ],
)
def test_a_changed_archive_is_one_sentence(packed, digits, change):
    path = packed({DIGITS: digits})
    altered(path, change)
    with pytest.raises(LtbenchError, match=r"^.*is damaged, or no job \(.*; pack it again\.$"):
        load(DIGITS, path, **ASKED)


def test_every_cut_and_many_changed_bytes_are_one_sentence_or_harmless(packed, digits):
    path = packed({DIGITS: digits})
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for number in range(120):
        at = int(rng.integers(len(whole)))
        damaged = bytearray(whole)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(damaged) if number % 2 else whole[:at])
        try:
            back = load(DIGITS, path, **ASKED)
        except LtbenchError as error:
            refused += "\n" not in str(error)
        else:
            assert same(back.train, digits.train)
            assert same(back.test, digits.test)
    assert refused > 100


@pytest.mark.parametrize(
    ("shape", "content", "said"),
    [
        ([4, 1, 8, 8], sheet(8 * 5), "another size"),
        ([4, 1, 8, 8], sheet(30), "another size"),
        ([4, 1, 8, 8], sheet(32, "RGB"), "another size"),
        ([4, 1, 8, 8], sheet(8), "reshape"),
        ([4, 1, 8, 8], b"no image", "cannot identify"),
        ([10**9, 1, 8, 8], sheet(32), "more pixels than fit the memory"),
        ([4, 3, 8, 8], sheet(32), "not of the size of digits_lt's"),
        ([0, 1, 8, 8], sheet(32), "its manifest"),
    ],
)
def test_images_that_the_manifest_does_not_describe_are_refused(
    packed, digits, monkeypatch, shape, content, said
):
    path = packed({DIGITS: digits})
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read(MANIFEST))
    told["splits"][0]["train"]["shape"] = shape
    names = told["splits"][0]["train"]["images"]
    told["files"][names[0]] = module.hashlib.sha256(content).hexdigest()
    told["splits"][0]["train"]["images"] = names[:1]

    def change(name, old):
        return json.dumps(told).encode() if name == MANIFEST else content if name in names else old

    altered(path, change)
    with pytest.raises(LtbenchError, match=said):
        load(DIGITS, path, **ASKED)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda labels: labels * 0, "other counts than their split"),
        (lambda labels: labels + 90, "its labels are none of digits_lt"),
        (lambda labels: labels.astype(np.float64), "its labels are none of digits_lt"),
        (lambda labels: labels[:, None], "its labels are none of digits_lt"),
    ],
)
def test_labels_that_are_not_the_splits_are_refused(packed, digits, change, said):
    path = packed({DIGITS: digits})
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read(MANIFEST))
        name = told["splits"][0]["train"]["labels"]
        labels = np.load(io.BytesIO(archive.read(name)))
    content = io.BytesIO()
    np.save(content, change(labels))
    told["files"][name] = module.hashlib.sha256(content.getvalue()).hexdigest()

    def other(each, old):
        if each == MANIFEST:
            return json.dumps(told).encode()
        return content.getvalue() if each == name else old

    altered(path, other)
    with pytest.raises(LtbenchError, match=said):
        load(DIGITS, path, **ASKED)


def test_an_image_file_that_is_named_many_times_is_refused(packed, digits):
    path = packed({DIGITS: digits})
    with zipfile.ZipFile(path) as archive:
        told = json.loads(archive.read(MANIFEST))
    told["splits"][0]["train"]["images"] *= 1000
    altered(path, lambda n, old: json.dumps(told).encode() if n == MANIFEST else old)
    with pytest.raises(LtbenchError, match="another size"):
        load(DIGITS, path, **ASKED)


def test_a_bomb_is_refused(packed, digits):
    path = packed({DIGITS: digits})
    altered(path, lambda name, old: bytes(2**25) if name.endswith(".npy") else old)
    with pytest.raises(LtbenchError, match="unpacks to more than 100 times its size"):
        load(DIGITS, path, **ASKED)


def test_what_is_no_archive_is_said(tmp_path):
    (tmp_path / "job.zip").write_bytes(b"no archive")
    with pytest.raises(LtbenchError, match="is damaged, or no job"):
        Archive.open(tmp_path / "job.zip")
    with pytest.raises(UsageError, match="is no file"):
        Archive.open(tmp_path / "absent.zip")
