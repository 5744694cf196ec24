"""Published lists, packed images, and the feed that streams them: verified, resumed, repeated."""

import io
import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_images import encoded, pixels
from PIL import Image
from torchvision.transforms import functional as TF

from ltbench.data import listed
from ltbench.data import published_lists as published
from ltbench.data.augment import randaugment
from ltbench.data.augment.large import draw_crops
from ltbench.data.augment.views import Augment, render
from ltbench.data.catalog import CATALOG, Dataset
from ltbench.data.decoding import cut
from ltbench.data.feed import generator_of
from ltbench.data.loading import check_there, load
from ltbench.data.packed import check_bytes, open_packed
from ltbench.data.profile import published_counts, shot_groups
from ltbench.data.stored import Stored
from ltbench.data.stream import StreamFeed, feed_of
from ltbench.errors import LtbenchError, UsageError

COUNTS = (7, 4, 2)
SIDE = 16


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A published set of three classes, and no worker processes unless a test asks for them."""
    lists = {
        "train": published.PublishedList("train.txt", None),
        "val": published.PublishedList("val.txt", 1),
        "test": published.PublishedList("test.txt", 2, flat="val"),
    }
    monkeypatch.setitem(published.LISTS, "made", lists)
    monkeypatch.setattr(published, "published_counts", lambda name: COUNTS)
    monkeypatch.setenv("LTBENCH_WORKERS", "0")


@pytest.fixture
def info():
    return replace(
        CATALOG["imagenet_lt"], name="made", classes=3, head_count=7, test_count=2, counts=COUNTS,
        shape=(3, SIDE, SIDE), validated=True,
    )  # fmt: skip


@pytest.fixture
def made(tmp_path):
    """Lists and images: test images flat, a PNG named JPEG, a grey and a CMYK one among them."""
    images, lists = tmp_path / "images", tmp_path / "lists"
    lists.mkdir()
    number = 0
    for part, counts in (("train", COUNTS), ("val", (1, 1, 1)), ("test", (2, 2, 2))):
        lines = []
        for label, count in enumerate(counts):
            for _ in range(count):
                name = f"{'train' if part != 'test' else 'val'}/n{label}/{number}.JPEG"
                path = images / (name if part != "test" else f"val/{number}.JPEG")
                path.parent.mkdir(parents=True, exist_ok=True)
                image = Image.fromarray(pixels(number, 20 + number % 3 * 9, 31))
                image = image.convert({1: "L", 2: "CMYK"}.get(number, "RGB"))
                path.write_bytes(encoded(image, "PNG" if number == 3 else "JPEG"))
                lines.append(f"{name} {label}")
                number += 1
        (lists / f"{part}.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def prepared(info, made):
    listed.prepare(info, made / "data", made / "images", made / "lists")
    return Dataset(info, info.imbalance)


def split(info, made, **settings):
    return load(prepared(info, made), made / "data", **settings)


def feed(info, made):
    return feed_of(info, split(info, made).train)


# lists


@pytest.mark.parametrize(
    ("name", "images", "groups"),
    [
        ("imagenet_lt", 115_846, (385, 479, 136)),
        ("places_lt", 62_500, (131, 163, 71)),
        ("inaturalist2018", 437_513, (842, 4076, 3224)),
    ],
)
def test_published_counts_have_their_totals_and_shot_groups(name, images, groups):
    counts = published_counts(name)
    found = shot_groups(counts)
    assert sum(counts) == images
    assert tuple(found.count(each) for each in ("many", "medium", "few")) == groups


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("train", lambda text: text + "train/n0/0.JPEG 0\n", "has 8 images of class 0, where 7"),
        ("train", lambda text: text.replace(" 2", " 3"), "has 0 images of class 2, where 2"),
        ("val", lambda text: text + "train/n9/9.JPEG 9\n", "is of class 9, and there are 0 to 2"),
        ("val", lambda text: text.replace("13", "0"), "train/n0/0.JPEG is listed twice, in train"),
        ("test", lambda text: text.replace("16", "99"), "images of made are not under"),
    ],
)
def test_another_list_is_refused_in_one_sentence(info, made, part, change, words):
    path = made / "lists" / f"{part}.txt"
    path.write_text(change(path.read_text()))
    with pytest.raises(LtbenchError) as caught:
        prepared(info, made)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_missing_is_named_with_where_it_is_published(info, made):
    (made / "lists" / "val.txt").unlink()
    with pytest.raises(UsageError, match=r"needs .*val\.txt, .*classifier-balancing"):
        prepared(info, made)


def test_another_checksum_is_refused_unless_asked_for(info, made, monkeypatch):
    lists = dict(published.LISTS["made"])
    lists["train"] = replace(lists["train"], sha256="0" * 64)
    monkeypatch.setitem(published.LISTS, "made", lists)
    with pytest.raises(UsageError, match="has the published counts and another SHA-256"):
        prepared(info, made)
    listed.prepare(info, made / "data", made / "images", made / "lists", verify=False)
    assert load(Dataset(info, 3.5), made / "data").class_counts == COUNTS


# packed images


def test_packed_images_are_the_files_bytes(info, made):
    prepared(info, made)
    packed = open_packed(made / "data" / "made", "made")["train"]
    lines = (made / "lists" / "train.txt").read_text().split()[::2]
    assert [packed.content(row) for row in range(13)] == [
        (made / "images" / name).read_bytes() for name in lines
    ]
    assert packed.index["label"].tolist() == [0] * 7 + [1] * 4 + [2] * 2
    assert packed.index["width"].tolist() == [31] * 13
    check_bytes(made / "data" / "made", "made")


def test_packing_goes_on_after_the_last_whole_image(info, made, monkeypatch):
    monkeypatch.setattr("ltbench.data.packing.AT_ONCE", 4)
    bad = made / "images" / "train" / "n1" / "9.JPEG"
    content = bad.read_bytes()
    bad.write_bytes(content[: len(content) // 2])
    with pytest.raises(LtbenchError, match=r"9\.JPEG does not read as an image"):
        prepared(info, made)
    with pytest.raises(LtbenchError, match="made is not prepared under"):
        check_there(info, made / "data")
    partial = made / "data" / "made" / "train.bin"
    partial.write_bytes(partial.read_bytes() + b"half of an image")
    bad.write_bytes(content)
    heard = []
    listed.prepare(
        info, made / "data", made / "images", made / "lists",
        lambda part, images, done: heard.append((part, images, done)),
    )  # fmt: skip
    assert heard[0] == ("train", 13, 13)
    check_bytes(made / "data" / "made", "made")
    test_packed_images_are_the_files_bytes(info, made)


def test_a_cut_or_changed_file_is_noticed(info, made):
    prepared(info, made)
    path = made / "data" / "made" / "train.bin"
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    check_there(info, made / "data")
    with pytest.raises(LtbenchError, match="has other bytes than were packed"):
        listed.compare(info, made / "data")
    path.write_bytes(content[:-1])
    with pytest.raises(LtbenchError, match=r"train\.bin has \d+ bytes, not \d+"):
        load(Dataset(info, 3.5), made / "data")


def test_packed_images_of_other_lists_are_not_mixed(info, made):
    prepared(info, made)
    path = made / "lists" / "train.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:-1], lines[-1].replace("12", "copy")]))
    (made / "images" / "train" / "n2" / "copy.JPEG").write_bytes(b"")
    with pytest.raises(UsageError, match="holds images of other lists"):
        prepared(info, made)


# splits


def test_a_split_is_the_list_whole_and_in_order(info, made):
    found = split(info, made)
    assert isinstance(found.train, Stored)
    assert found.class_counts == COUNTS
    assert found.train.rows.tolist() == list(range(13))
    assert found.test.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.validation.labels.tolist() == [0, 1, 2]
    assert found.held_out == 0
    lines = sorted((made / "lists" / "train.txt").read_text().splitlines())
    import hashlib

    assert found.indices_sha256 == hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_a_fraction_keeps_the_first_of_each_class_and_validation_the_next(info, made):
    part = split(info, made, fraction=0.5)
    assert part.train.rows.tolist() == [0, 1, 2, 3, 7, 8, 11]
    assert part.test.rows.tolist() == [0, 2, 4]
    held = load(Dataset(info, 3.5), made / "data", validation=1)
    assert held.validation.rows.tolist() == [6, 10, 12]
    assert held.train.labels.bincount().tolist() == [6, 3, 1]
    assert held.held_out == 1
    assert len({part.indices_sha256, held.indices_sha256, split(info, made).indices_sha256}) == 3


def test_there_is_no_subset_to_draw_by_a_seed(info, made):
    with pytest.raises(UsageError, match="there is no subset to draw by a seed"):
        split(info, made, subset_seed=1)


# the feed


def test_a_box_is_cut_and_scaled_as_torchvision_does():
    image = Image.fromarray(pixels(1, 60, 90))
    for flip in (0, 1):
        expected = TF.resized_crop(image, 5, 7, 31, 44, [SIDE, SIDE])
        expected = TF.hflip(expected) if flip else expected
        assert np.array_equal(cut(image, (5, 7, 31, 44, flip), SIDE), np.asarray(expected))


@pytest.mark.parametrize("shape", [(60, 90), (90, 61), (224, 224), (10, 300)])
@pytest.mark.parametrize("side", [16, 32, 224])
def test_the_middle_is_cut_as_torchvision_does(shape, side):
    image = Image.fromarray(pixels(2, *shape))
    expected = TF.center_crop(TF.resize(image, [round(side * 256 / 224)]), [side, side])
    assert np.array_equal(cut(image, (), side), np.asarray(expected))


def test_boxes_lie_in_their_images_and_have_the_areas_and_ratios_of_the_recipe():
    draws = torch.Generator().manual_seed(0)
    widths = torch.tensor([500, 375, 1000, 30] * 500)
    heights = torch.tensor([375, 500, 90, 400] * 500)
    crops = draw_crops(widths, heights, True, draws)
    assert (crops.top >= 0).all()
    assert (crops.left >= 0).all()
    assert (crops.top + crops.height <= heights).all()
    assert (crops.left + crops.width <= widths).all()
    plain = torch.arange(2000) % 4 < 2  # of common shapes
    share = (crops.width * crops.height / (widths * heights))[plain]
    ratio = (crops.width / crops.height)[plain]
    assert 0.07 < share.min() < 0.12
    assert 0.85 < share.max() <= 1
    assert ratio.min() > 0.74
    assert ratio.max() < 1.35
    assert 0.45 < crops.flip.float().mean() < 0.55
    long = crops.rows(slice(2, None, 4))
    assert (long.width <= 120).all()  # of an image of 1000 x 90 at most 4 / 3 of the height


def epoch(source, views=("standard",), seed=5, batch=4):
    return list(source.epoch(views, "instance_balanced", batch, False, seed))


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(a.targets, b.targets)
        and torch.equal(a.indices, b.indices)
        and all(torch.equal(x, y) for x, y in zip(a.views, b.views, strict=True))
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize("count", ["1", "3"])
def test_an_epoch_is_the_same_for_any_number_of_workers(info, made, monkeypatch, count):
    source, views = feed(info, made), ("standard", "contrastive", "autoaugment")
    alone = epoch(source, views)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    monkeypatch.setenv("LTBENCH_WORKERS", count)
    assert equal(epoch(source, views), alone)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_epoch_has_every_image_once_by_its_label_and_another_seed_another(info, made):
    source = feed(info, made)
    batches = epoch(source)
    assert [len(b.targets) for b in batches] == [4, 4, 4]  # a last one of one image is left out
    indices = torch.cat([b.indices for b in batches])
    assert len(set(indices.tolist())) == 12
    assert torch.equal(torch.cat([b.targets for b in batches]), source.labels[indices])
    assert batches[0].images.shape == (4, 3, SIDE, SIDE)
    assert batches[0].images.is_contiguous(memory_format=torch.channels_last)
    assert equal(epoch(source), batches)
    assert not equal(epoch(source, seed=6), batches)


def test_a_view_is_its_box_and_then_its_colours(info, made):
    source = feed(info, made)
    (batch,) = epoch(source, batch=13)
    sizes = source.subset.packed.index[batch.indices.numpy()]
    width, height = (torch.from_numpy(sizes[n].astype(np.int64)) for n in ("width", "height"))
    crops = draw_crops(width, height, True, generator_of(5, "box", 0))
    boxes = torch.stack((crops.top, crops.left, crops.height, crops.width, crops.flip.long()), 1)
    made_by_hand = []
    for row, box in zip(batch.indices.tolist(), boxes.tolist(), strict=True):
        whole = Image.open(io.BytesIO(source.subset.packed.content(row))).convert("RGB")
        made_by_hand.append(torch.from_numpy(np.array(cut(whole, box, SIDE))).permute(2, 0, 1))
    from ltbench.data.augment.large import colours

    draws = generator_of(5, "view", 0, 0)
    expected = render((colours,), torch.stack(made_by_hand), Augment(0, True), draws)
    assert torch.equal(batch.images, source.normalise(expected))


def test_clean_images_are_in_order_and_normalised(info, made):
    source = feed(info, made)
    batches = list(source.clean(5))
    assert torch.equal(torch.cat([b.indices for b in batches]), torch.arange(13))
    whole = Image.open(io.BytesIO(source.subset.packed.content(0))).convert("RGB")
    expected = TF.normalize(TF.to_tensor(cut(whole, (), SIDE)), info.mean, info.std)
    assert torch.allclose(batches[0].images[0], expected, atol=1e-5)
    pictures = source.subset.pictures(torch.tensor([0, 12]), SIDE)
    assert torch.equal(source.normalise(pictures)[1], batches[2].images[2])


def test_through_gives_the_images_asked_for_and_may_change_the_view(info, made):
    source, seen = feed(info, made), []

    def changed(view, targets):
        seen.append(targets.tolist())
        return ()

    (batch,) = source.through("standard", torch.tensor([9, 0, 9]), generator_of(1), changed)
    assert batch.indices.tolist() == [9, 0, 9]
    assert seen == [[1, 0, 1]]
    assert not torch.equal(batch.images[0], batch.images[2])  # boxes of their own


def test_a_view_that_large_images_do_not_have_is_named(info, made):
    with pytest.raises(ValueError, match="large images have no view 'mine'"):
        epoch(feed(info, made), ("mine",))


def test_an_image_that_stops_reading_is_named(info, made, monkeypatch):
    source = feed(info, made)
    content = source.subset.packed.content
    monkeypatch.setattr(
        "ltbench.data.packed.Packed.content",
        lambda self, row: content(row)[: 99 if row == 3 else None],
    )
    with pytest.raises(LtbenchError, match=r"image 3 of .*train\.bin does not read"):
        epoch(source)


def spoil(made, row):
    """Damage the packed bytes of an image in place."""
    packed = made / "data" / "made" / "train"
    entry = np.load(packed.with_suffix(".npy"))[row]
    with packed.with_suffix(".bin").open("r+b") as file:
        file.seek(int(entry["offset"]) + 4)
        file.write(bytes(int(entry["length"]) - 4))


def skipping(info, made, workers, monkeypatch):
    monkeypatch.setenv("LTBENCH_WORKERS", workers)
    subset = load(Dataset(info, info.imbalance), made / "data").train
    return feed_of(info, subset, skip_unreadable=True)


def test_an_image_that_stops_reading_is_left_out_where_asked_and_named_once(
    info, made, monkeypatch
):
    whole = epoch(feed(info, made))
    spoil(made, 3)
    found = {}
    for workers in ("0", "2"):
        source = skipping(info, made, workers, monkeypatch)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found[workers], again = epoch(source), epoch(source)
            clean = list(source.clean(5))
        assert equal(found[workers], again)
        (why,) = said
        assert re.search(r"image 3 of .*train\.bin does not read .*left out", str(why.message))
        assert source.skipped == {3}
        assert [len(batch.targets) for batch in clean] == [4, 5, 3]
        assert 3 not in torch.cat([batch.indices for batch in clean])
    assert equal(found["0"], found["2"])
    for batch, before in zip(found["0"], whole, strict=True):
        kept = before.indices != 3
        assert torch.equal(batch.indices, before.indices[kept])
        assert torch.equal(batch.targets, before.targets[kept])
        if kept.all():
            assert torch.equal(batch.images, before.images)


def test_of_pairs_both_are_left_out_and_of_a_batch_all(info, made, monkeypatch):
    prepared(info, made)
    spoil(made, 3)
    source = skipping(info, made, "0", monkeypatch)
    with pytest.warns(UserWarning, match="image 3 of"):
        batches = list(source.epoch(("standard",), "balanced_pairs", 8, False, 1))
    drawn = torch.cat([batch.indices for batch in batches])
    assert len(drawn) % 2 == 0
    assert 3 not in drawn
    assert set(drawn[::2].tolist()) <= set(range(13)) - {3}
    assert len(drawn) >= 26 - 2 * 5  # of 26 draws, those of image 3 and their partners
    with pytest.warns(UserWarning, match="image 3 of"):
        one_by_one = epoch(skipping(info, made, "0", monkeypatch), batch=1)
    assert len(one_by_one) == 12


def test_where_no_image_reads_the_run_stops(info, made, monkeypatch):
    prepared(info, made)
    for row in range(13):
        spoil(made, row)
    with (
        pytest.warns(UserWarning, match="image"),
        pytest.raises(LtbenchError, match="nor does any other image so far"),
    ):
        epoch(skipping(info, made, "0", monkeypatch))


@pytest.mark.slow
def test_a_worker_that_dies_is_one_sentence(info, made, monkeypatch):
    import os

    monkeypatch.setenv("LTBENCH_WORKERS", "1")
    source = feed(info, made)
    monkeypatch.setattr("ltbench.data.packed.Packed.content", lambda self, row: os._exit(9))
    with pytest.raises(LtbenchError, match="a process that decodes images stopped") as caught:
        epoch(source)
    assert "\n" not in str(caught.value)


def test_a_stream_says_how_long_it_was_waited_for(info, made):
    source = feed(info, made)
    epoch(source)
    assert source.waiting.images == 12
    assert isinstance(source, StreamFeed)
    assert source.waited() > 0
    assert source.waited() == 0


def test_the_manifest_tells_of_every_part(info, made):
    prepared(info, made)
    manifest = json.loads((made / "data" / "made" / "manifest.json").read_text())
    assert {part: facts["images"] for part, facts in manifest["parts"].items()} == {
        "train": 13, "val": 3, "test": 6,
    }  # fmt: skip


def test_the_view_of_bcl_is_jittered_and_changed_where_it_is_decoded(info, made):
    source = feed(info, made)
    (batch,) = epoch(source, ("autoaugment",), batch=13)
    rows = source.drawn("autoaugment", batch.indices, generator_of(5, "box", 0))
    expected = []
    for row, drawn in zip(batch.indices.tolist(), rows.tolist(), strict=True):
        whole = Image.open(io.BytesIO(source.subset.packed.content(row))).convert("RGB")
        changed = randaugment.change(cut(whole, drawn[:5], SIDE), drawn[5:])
        expected.append(torch.from_numpy(np.array(changed)).permute(2, 0, 1))
    assert torch.equal(batch.images, source.normalise(torch.stack(expected)))
