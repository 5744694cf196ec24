"""Images packed once more with a shorter side: scaled, in the same order, found by the protocol."""

import io
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_images import encoded, pixels
from PIL import Image

from ltbench.data.catalog import CATALOG, Dataset
from ltbench.data.listed import load_listed
from ltbench.data.lists import ListedImage
from ltbench.data.packed import LISTS, open_packed, shrunk
from ltbench.data.packing import pack, shrink
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.protocol import protocol_of

SIZES = ((60, 90), (90, 60), (40, 200), (30, 20))  # height, width


@pytest.fixture
def folder(tmp_path):
    """Four images of two classes for training, and as many for test."""
    return packed(tmp_path)


def packed(tmp_path, shift=0):
    parts = {}
    for number, part in enumerate(("train", "test")):
        parts[part] = []
        for row, (height, width) in enumerate(SIZES):
            path = tmp_path / f"{part}{row}.jpg"
            image = Image.fromarray(pixels(10 * number + row + shift, height, width))
            path.write_bytes(encoded(image, "JPEG", quality=95))
            parts[part].append(ListedImage(path.name, path, str(row % 2), part))
    pack(parts, tmp_path / "root" / "made")
    return tmp_path / "root" / "made"


def opened(packed, row):
    return Image.open(io.BytesIO(packed.content(row)))


def test_larger_images_are_scaled_and_others_are_the_bytes_that_they_were(folder):
    shrink(folder, "made", 40)
    before, after = (open_packed(each, "made")["train"] for each in (folder, shrunk(folder, 40)))
    sizes = [(int(each["height"]), int(each["width"])) for each in after.index]
    assert sizes == [(40, 60), (60, 40), (40, 200), (30, 20)]
    assert [opened(after, row).size[::-1] for row in range(4)] == sizes
    assert [after.content(row) == before.content(row) for row in range(4)] == [False] * 2 + [
        True
    ] * 2
    assert (after.index["label"] == before.index["label"]).all()
    scaled = opened(before, 0).resize((60, 40), Image.Resampling.BILINEAR)
    difference = np.asarray(scaled).astype(int) - np.asarray(opened(after, 0))
    assert np.abs(difference).mean() < 4
    assert (folder / LISTS).read_bytes() == (shrunk(folder, 40) / LISTS).read_bytes()


def test_it_goes_on_where_it_stopped_and_twice_is_once(folder):
    heard = []
    shrink(folder, "made", 40)
    manifest = shrunk(folder, 40) / "manifest.json"
    first = json.loads(manifest.read_text())
    shrink(folder, "made", 40, lambda part, count, done: heard.append((part, count, done)))
    assert json.loads(manifest.read_text()) == first
    assert heard == [("train", 4, 4), ("test", 4, 4)]


def test_a_copy_of_other_images_is_refused(folder, tmp_path):
    shrink(folder, "made", 40)
    shutil.rmtree(folder)
    packed(tmp_path, shift=100)
    with pytest.raises(UsageError, match="made-short40 is a copy of other images; delete it"):
        shrink(folder, "made", 40)
    asked = {"subset_seed": 0, "validation": 0, "fraction": 1.0}
    with pytest.raises(LtbenchError, match=r"is a copy of other images than .*made has; delete"):
        load_listed(Dataset(small(), 1.0), folder.parent, **asked, stored_side=40)


def small():
    return replace(
        CATALOG["imagenet_lt"], name="made", classes=2, head_count=2, test_count=2, counts=(2, 2),
        shape=(3, 32, 32), validated=False,
    )  # fmt: skip


def test_a_protocol_takes_them_and_is_never_a_papers(folder):
    data, root = Dataset(small(), 1.0), folder.parent
    asked = {"subset_seed": 0, "validation": 0, "fraction": 1.0}
    with pytest.raises(LtbenchError, match="`ltbench data prepare made --short 40` packs it"):
        load_listed(data, root, **asked, stored_side=40)
    shrink(folder, "made", 40)
    whole, short = (load_listed(data, root, **asked, stored_side=side) for side in (None, 40))
    assert whole.indices_sha256 == short.indices_sha256
    assert whole.train.packed.sha256 != short.train.packed.sha256
    protocol = protocol_of("paper(stored_side=40)", CATALOG["imagenet_lt"])
    assert protocol.stored_side == 40
    assert not protocol.exact
    with pytest.raises(UsageError, match="unknown field of protocol fast 'stored_side'"):
        protocol_of("fast(stored_side=40)", CATALOG["cifar10_lt"])
