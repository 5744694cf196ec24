"""Images of one's own that are streamed: packed once, counted, and shown as they lie."""

import io

import numpy as np
import pytest
import torch
from made_images import describe, encoded, folders, pixels, write
from PIL import Image

from ltbench.data import arrays
from ltbench.data.catalog import dataset, register
from ltbench.data.decoding import cut
from ltbench.data.loading import load
from ltbench.data.own import classes_of, noticed, read_own
from ltbench.data.own_packed import pack_own
from ltbench.errors import LtbenchError, MissingDataError, UsageError

pytestmark = pytest.mark.usefixtures("known_again")

COUNTS = {"amsel": 9, "bussard": 6, "eule": 4}
ORIENTATION = 0x0112


def silent(part, count, done):
    pass


def made(tmp_path, counts=COUNTS, **fields):
    folders(tmp_path / "photos", counts)
    fields = {"size": 8, "test": 2, "stream": True, "network": "resnet8", **fields}
    return describe(tmp_path / "made.yaml", images="photos", **fields)


def packed(path):
    pack_own(path, path.parent / "root", silent)
    own = read_own(path, path.parent / "root")
    register(own.info)
    return own


def split_of(path, **how):
    return load(dataset("made"), path.parent / "root", **how)


def test_packed_images_are_a_data_set_with_its_counts(tmp_path):
    own = packed(path := made(tmp_path))
    assert own.info.streamed
    assert own.info.counts == (7, 4, 2)
    assert own.info.test_counts == (2, 2, 2)
    assert own.info.shape == (3, 8, 8)
    assert classes_of(own.info) == ("amsel", "bussard", "eule")
    split = split_of(path)
    assert split.class_counts == (7, 4, 2)
    assert split.train.labels.bincount().tolist() == [7, 4, 2]
    assert split.test.labels.bincount().tolist() == [2, 2, 2]
    half = split_of(path, fraction=0.5)
    assert half.train.labels.bincount().tolist() == [4, 2, 1]


def test_the_same_images_are_tested_on_as_where_they_lie_in_memory(tmp_path):
    own = packed(path := made(tmp_path))
    streamed = split_of(path).test
    held = read_own(made(tmp_path, stream=False), path.parent / "root")
    assert not held.info.streamed
    assert held.info.counts == own.info.counts
    assert (held.arrays.test_labels == streamed.labels.numpy()).all()
    for row, image in zip(streamed.rows, held.arrays.test_images, strict=True):
        whole = Image.open(io.BytesIO(streamed.packed.content(int(row)))).convert("RGB")
        square = min(whole.size)
        left, top = (whole.width - square) // 2, (whole.height - square) // 2
        middle = whole.crop((left, top, left + square, top + square)).resize((8, 8), 2)
        assert np.abs(np.asarray(middle).astype(int) - image).mean() < 4  # another box, same image


def test_pictures_are_the_middle_of_each_image(tmp_path):
    packed(path := made(tmp_path))
    train = split_of(path).train
    shown = train.pictures(torch.tensor([0]), 8)[0].permute(1, 2, 0).numpy()
    whole = Image.open(io.BytesIO(train.packed.content(int(train.rows[0])))).convert("RGB")
    assert (shown == np.asarray(cut(whole, (), 8))).all()


def test_mean_and_deviation_are_of_the_middles_of_training_images(tmp_path):
    own = packed(path := made(tmp_path))
    train = split_of(path).train
    every = train.pictures(torch.arange(13), 8).double() / 255
    assert own.info.mean == pytest.approx(every.mean((0, 2, 3)).tolist(), abs=1e-4)
    assert own.info.std == pytest.approx(every.std((0, 2, 3), unbiased=False).tolist(), abs=1e-4)


def test_only_what_does_not_fit_the_memory_is_packed_unless_asked_for(tmp_path, monkeypatch):
    path = made(tmp_path, stream=None)
    pack_own(path, tmp_path / "root", silent)
    assert not (tmp_path / "root").exists()
    assert not read_own(path, tmp_path / "root").info.streamed
    monkeypatch.setattr(arrays, "LARGEST", 1000)
    with pytest.raises(UsageError, match=r"`ltbench data prepare .*made\.yaml` packs them"):
        read_own(path, tmp_path / "root")
    assert packed(path).info.streamed


def test_what_is_to_be_streamed_and_is_not_packed_says_the_command(tmp_path):
    path = made(tmp_path)
    with pytest.raises(MissingDataError, match=r"`ltbench data prepare .*made\.yaml` does so"):
        read_own(path, tmp_path / "root")


def test_rotated_transparent_and_16_bit_images_are_packed_upright_and_opaque(tmp_path):
    path = made(tmp_path)
    image = Image.fromarray(pixels(7, height=20, width=28))
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by 270 degrees
    folder = tmp_path / "photos" / "eule"
    (folder / "a.jpg").write_bytes(encoded(image, "JPEG", quality=95, exif=exif))
    (folder / "b.png").write_bytes(encoded(Image.new("RGBA", (9, 9), (0, 0, 0, 0))))
    (folder / "c.png").write_bytes(encoded(Image.fromarray(np.full((9, 9), 0x8000, np.uint16))))
    (folder / "d.jpg").write_bytes(encoded(image.convert("CMYK"), "JPEG"))
    packed(path)
    found = split_of(path)
    contents = [
        Image.open(io.BytesIO(part.packed.content(int(row)))).convert("RGB")
        for part in (found.train, found.test) for row in part.rows
    ]  # fmt: skip
    assert (20, 28) in {each.size for each in contents}
    colours = {each.getpixel((0, 0)) for each in contents if each.size == (9, 9)}
    assert colours == {(255, 255, 255), (128, 128, 128)}


def test_an_image_that_does_not_read_is_named_or_left_out_where_that_is_asked_for(tmp_path):
    path = made(tmp_path)
    (tmp_path / "photos" / "amsel" / "000.png").write_bytes(b"no image")
    with pytest.raises(LtbenchError, match=r"000\.png does not read as an image .*let it be left"):
        packed(path)
    own = packed(made_again(tmp_path, unreadable="skip"))
    assert own.skipped == ("amsel/000.png",)
    assert noticed(own.info)["left out"] == "amsel/000.png"
    assert sum(own.info.counts) + sum(own.info.test_counts) == 18
    split = split_of(path)
    assert split.train.labels.bincount().tolist() == list(own.info.counts) == [6, 4, 2]
    assert split.test.labels.bincount().tolist() == [2, 2, 2]
    held = read_own(made_again(tmp_path, unreadable="skip", stream=False), tmp_path / "root")
    assert (held.info.counts, held.info.test_counts) == (own.info.counts, own.info.test_counts)
    assert held.skipped[0].startswith("amsel/000.png")


def made_again(tmp_path, **fields):
    fields = {"size": 8, "test": 2, "stream": True, "network": "resnet8", **fields}
    return describe(tmp_path / "made.yaml", images="photos", **fields)


def test_a_class_of_which_nothing_reads_is_named(tmp_path):
    path = made(tmp_path, unreadable="skip", test=1)
    for image in (tmp_path / "photos" / "eule").iterdir():
        image.write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"class 'eule' has no .* image that reads"):
        packed(path)


def test_equal_bytes_in_training_and_test_are_refused(tmp_path):
    for part, first in (("train", 0), ("test", 50)):
        folders(tmp_path / "photos" / part, {"a": 3, "b": 3}, first)
    write(tmp_path / "photos" / "test" / "a" / "twin.png", 0)
    path = describe(tmp_path / "made.yaml", images="photos", size=8, stream=True)
    with pytest.raises(UsageError, match=r"1 test images are training images .*a/twin\.png"):
        packed(path)


@pytest.mark.parametrize("field", [{"channels": 1}, {"imbalance": 2.0}])
def test_what_needs_images_in_memory_is_refused(tmp_path, field):
    with pytest.raises(UsageError, match="is for images that lie in memory"):
        packed(made(tmp_path, **field))


def test_the_hash_is_of_images_and_description_and_of_being_streamed(tmp_path):
    first = packed(made(tmp_path)).info.variant
    held = read_own(made(tmp_path, stream=False), tmp_path / "root").info.variant
    flipped = packed(made_again(tmp_path, flip=False)).info.variant
    write(tmp_path / "photos" / "eule" / "more.png", 77)
    with pytest.raises(UsageError, match="holds images of other lists; delete it"):
        packed(made_again(tmp_path, flip=True))
    assert len({first, held, flipped}) == 3


def test_a_description_that_changed_since_is_packed_anew(tmp_path):
    packed(made(tmp_path))
    with pytest.raises(MissingDataError, match="nothing is packed of it"):
        read_own(made_again(tmp_path, size=16), tmp_path / "root")
    assert packed(made_again(tmp_path, size=16)).info.shape == (3, 16, 16)
