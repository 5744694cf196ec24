"""VOC-LT and COCO-LT: what is read of their annotations, and batches with label sets."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_annotated import COUNTS, TEST, TRAIN, coco_tree, image, made_up, voc_tree
from PIL import Image

from ltbench.data import listed
from ltbench.data.annotations import LAYOUTS
from ltbench.data.augment.distortion import distort, draw_distortions
from ltbench.data.augment.large import draw_parts
from ltbench.data.catalog import Dataset, dataset
from ltbench.data.decoding import cut
from ltbench.data.feed import generator_of
from ltbench.data.loading import load
from ltbench.data.packed import open_packed
from ltbench.data.stream import feed_of
from ltbench.errors import LtbenchError, UsageError


@pytest.fixture
def voc(tmp_path, monkeypatch):
    info = made_up(monkeypatch)
    voc_tree(tmp_path / "images")
    return info


def prepared(info, tmp_path, **settings):
    listed.prepare(info, tmp_path / "data", tmp_path / "images", None, **settings)
    return Dataset(info, info.imbalance)


def test_a_voc_tree_gives_the_lists_labels_and_those_of_every_object(voc, tmp_path):
    data = prepared(voc, tmp_path)
    split = load(data, tmp_path / "data")
    assert split.class_counts == COUNTS == tuple(split.train.labels.sum(0).int().tolist())
    assert split.train.labels.dtype == torch.float32
    assert split.train.labels[7].tolist() == [1, 1, 0, 1]
    expected = [[float(c in TEST[name]) for c in range(4)] for name in sorted(TEST)]
    assert split.test.labels.tolist() == expected  # difficult objects too, parts of objects not
    assert split.validation is None
    packed = open_packed(tmp_path / "data/voc_lt", "voc_lt")
    where = tmp_path / "images/VOCdevkit"
    for part, folder, names in (
        ("train", "VOC2012", [name for name, _ in TRAIN]), ("test", "VOC2007", sorted(TEST)),
    ):  # fmt: skip
        for row, name in enumerate(names):
            path = where / folder / "JPEGImages" / f"{name}.jpg"
            assert packed[part].content(row) == path.read_bytes()


def test_a_fraction_of_the_tests_is_the_first_and_counts_are_the_splits(voc, tmp_path):
    data = prepared(voc, tmp_path)
    split = load(data, tmp_path / "data", fraction=0.25)
    assert split.class_counts == data.class_counts(fraction=0.25)
    assert tuple(split.train.labels.sum(0).int().tolist()) == split.class_counts
    assert len(split.train.labels) == data.training_images(0.25) < len(TRAIN)
    assert split.test.rows.tolist() == [0, 1]
    assert data.test_images(0.25) == 2
    assert split.indices_sha256 != load(data, tmp_path / "data").indices_sha256
    with pytest.raises(UsageError, match="several labels an image, so 2 of each class cannot"):
        load(data, tmp_path / "data", validation=2)


def test_a_coco_tree_leaves_out_what_is_ignored_or_has_no_area(tmp_path, monkeypatch):
    train = tuple((str(100 + n), labels) for n, (_, labels) in enumerate(TRAIN))
    info = made_up(monkeypatch, "coco_lt", train, unlabelled=0, fewest=2)
    more = (
        {"category_id": 0, "iscrowd": 1}, {"category_id": 1, "ignore": 1},
        {"category_id": 2, "bbox": [1, 1, 0.5, 9]}, {"category_id": 3, "area": 0},
    )  # fmt: skip
    coco_tree(tmp_path / "images", train, more=more)
    split = load(prepared(info, tmp_path), tmp_path / "data")
    assert split.test.labels[1].tolist() == [1, 0, 0, 0]  # the crowd counts
    assert split.test.labels[0].tolist() == [0, 1, 0, 1]
    assert split.class_counts == COUNTS


def removed(path):
    return lambda root: (root / path).unlink()


def again(root):
    path = root / "VOCdevkit/VOC2007/ImageSets/Main/test.txt"
    path.write_text(path.read_text() + "000001\n")


def trained_on(root):
    path = root / "VOCdevkit/VOC2007/ImageSets/Main/test.txt"
    path.write_text(path.read_text() + "2008_000001\n")
    annotation = root / "VOCdevkit/VOC2007/Annotations"
    (annotation / "2008_000001.xml").write_bytes((annotation / "000001.xml").read_bytes())
    image(root / "VOCdevkit/VOC2007/JPEGImages/2008_000001.jpg", 7)


def written(path, text):
    return lambda root: (root / path).write_text(text)


VOC2007 = "VOCdevkit/VOC2007"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (removed(f"{VOC2007}/ImageSets/Main/test.txt"),
         r"needs .*test\.txt, which is not there; .* VOCdevkit/VOC2012/JPEGImages, .*--images"),
        (removed(f"{VOC2007}/Annotations/000004.xml"), r"needs .*000004\.xml, which is not there"),
        (removed(f"{VOC2007}/JPEGImages/000004.jpg"), r"1 images of voc_lt .*000004\.jpg"),
        (removed("VOCdevkit/VOC2012/JPEGImages/2009_000006.jpg"), r"1 images .*2009_000006\.jpg"),
        (written(f"{VOC2007}/Annotations/000004.xml", "<annotation>"), "do not read"),
        (written(f"{VOC2007}/Annotations/000004.xml",
                 "<a><object><name>cow boy</name></object></a>"), "do not read"),
        (again, "a test image of voc_lt is listed twice"),
        (trained_on, r"1 test images of voc_lt are training images, first 2008_000001\.jpg"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_tree_is_said_in_one_sentence(voc, tmp_path, spoil, words):
    spoil(tmp_path / "images")
    with pytest.raises(LtbenchError, match=words) as caught:
        prepared(voc, tmp_path, verify=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "data/voc_lt/manifest.json").exists()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"images": 9}, "has 8 test images under .*, and 9 are known"),
        ({"fewest": 1}, r"has 2 images of label 2|has 2 images of label 3"),
        ({"unlabelled": 0}, "has 1 images without a label"),
    ],
)
def test_other_tests_than_are_known_are_refused_unless_asked_for(
    tmp_path, monkeypatch, facts, words
):
    info = made_up(monkeypatch, **facts)
    voc_tree(tmp_path / "images")
    with pytest.raises(UsageError, match=words):
        prepared(info, tmp_path)
    assert len(load(prepared(info, tmp_path, verify=False), tmp_path / "data").test.labels) == 8


def test_the_known_tests_are_those_of_the_papers():
    known = {name: (each.images, each.fewest, each.unlabelled) for name, each in LAYOUTS.items()}
    assert known == {"voc_lt": (4952, 98, 0), "coco_lt": (5000, 8, 48)}
    assert {name: dataset(name).test_images() for name in LAYOUTS} == {
        "voc_lt": 4952, "coco_lt": 5000,
    }  # fmt: skip


def test_labels_that_were_changed_are_noticed(voc, tmp_path):
    data = prepared(voc, tmp_path)
    path = tmp_path / "data/voc_lt/test.txt"
    path.write_text(path.read_text().replace("000003.jpg 0", "000003.jpg 1"))
    with pytest.raises(LtbenchError, match="has other labels than were packed; prepare it again"):
        load(data, tmp_path / "data")
    path.unlink()
    with pytest.raises(LtbenchError, match="does not read"):
        load(data, tmp_path / "data")
    prepared(voc, tmp_path)
    assert load(data, tmp_path / "data").test.labels[2].tolist() == [1, 0, 0, 0]


# the feed


@pytest.fixture
def feed(voc, tmp_path):
    data = prepared(voc, tmp_path)
    small = replace(voc, shape=(3, 16, 16))
    return feed_of(small, load(data, tmp_path / "data").train)


def test_a_clean_image_is_it_whole_squashed(feed):
    images = torch.cat([batch.images for batch in feed.clean(5)])
    for row in range(len(TRAIN)):
        whole = Image.open(io.BytesIO(feed.subset.packed.content(row))).convert("RGB")
        seen = torch.from_numpy(np.array(whole.resize((16, 16), Image.Resampling.BILINEAR)))
        assert torch.equal(images[row], feed.normalise(seen.permute(2, 0, 1)[None])[0])
    pictures = feed.subset.pictures(torch.tensor([3, 12]), 16)
    assert torch.equal(feed.normalise(pictures), images[[3, 12]])


def test_a_view_is_its_box_and_then_its_distortion(feed):
    (batch,) = feed.epoch(("standard",), "instance_balanced", 13, False, 5)
    boxes = feed.drawn("standard", batch.indices, generator_of(5, "box", 0))
    seen = []
    for row, box in zip(batch.indices.tolist(), boxes.tolist(), strict=True):
        whole = Image.open(io.BytesIO(feed.subset.packed.content(row))).convert("RGB")
        seen.append(torch.from_numpy(np.array(cut(whole, box, 16))).permute(2, 0, 1))
    drawn = draw_distortions(13, generator_of(5, "view", 0, 0))
    assert torch.equal(batch.images, feed.normalise(distort(torch.stack(seen), drawn)))


def test_batches_have_label_sets_in_every_order(feed):
    for sampler, drawn in (("instance_balanced", 12), ("class_aware", 8)):
        batches = list(feed.epoch(("standard",), sampler, 4, False, 5))
        indices = torch.cat([batch.indices for batch in batches])
        assert len(indices) == drawn  # 13, without a last one alone; 9 · 4 / 4 = 9, likewise
        targets = torch.cat([batch.targets for batch in batches])
        assert torch.equal(targets, feed.labels[indices])
        assert targets.shape == (drawn, 4)
        assert targets.dtype == torch.float32


def test_a_training_view_is_most_of_the_image():
    draws = torch.Generator().manual_seed(0)
    widths = torch.tensor([500, 375, 100, 900] * 500)
    heights = torch.tensor([375, 500, 300, 300] * 500)
    crops = draw_parts(widths, heights, True, draws)
    assert (crops.top >= 0).all()
    assert (crops.left >= 0).all()
    assert (crops.top + crops.height <= heights).all()
    assert (crops.left + crops.width <= widths).all()
    plain = torch.arange(2000) % 4 < 2  # whose shapes every crop keeps in bounds
    for side, whole in ((crops.height, heights), (crops.width, widths)):
        share = (side / whole)[plain]
        assert 0.79 < share.min() < 0.81
        assert 0.98 < share.max() <= 1
        assert 0.88 < share.mean() < 0.92
    long = crops.rows(slice(2, None, 4))  # three to one: no crop of 0.8 is two to one at most
    assert (long.height == 300).all()
    assert (long.width == 100).all()
    assert 0.45 < crops.flip.float().mean() < 0.55
    assert not draw_parts(widths, heights, False, draws).flip.any()
