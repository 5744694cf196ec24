"""Graded augmentation: its table against Pillow, its chains, and views and feeds that take it."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Generator

from ltbench.data import feed
from ltbench.data.augment import graded, views
from ltbench.data.augment import pixels as colour
from ltbench.data.augment.autoaugment import cutout, draw_holes
from ltbench.data.augment.graded import Grading, amount, draw_chains
from ltbench.data.augment.views import Augment, render
from ltbench.data.catalog import CATALOG
from ltbench.data.feed import CLEAN_BATCH, Feed
from ltbench.data.readers import Subset


def seeded(seed=0):
    return Generator().manual_seed(seed)


def pictures(count, channels=3, side=32):
    """Smooth pictures with noise, some of a narrow range."""
    coarse = torch.rand(count, channels, 5, 5, generator=seeded()) * 255
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic")
    noise = torch.randn(smooth.shape, generator=seeded(1)) * 12
    images = (smooth + noise).clamp(0, 255).to(torch.uint8)
    images[::5] = images[::5] // 3 + 70
    return images


def one_by_one(function, images, *columns):
    results = []
    for image, *row in zip(images, *columns, strict=True):
        array = image.permute(1, 2, 0).numpy()
        picture = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
        result = np.array(function(picture, *row))
        results.append(torch.from_numpy(result.reshape(array.shape)).permute(2, 0, 1))
    return torch.stack(results)


# As the release has them: an operation on a picture, and what is taken of its range at l / 30.


def affine(*matrix):
    return lambda picture: picture.transform(picture.size, Image.Transform.AFFINE, matrix)


def resize_crop(picture, factor):
    side = picture.width
    large = picture.resize([int(side * factor)] * 2, Image.Resampling.LANCZOS)
    left = int(side * factor) // 2 - side // 2
    return large.crop((left, left, left + side, left + side))


def solarize_add(picture, addition):
    array = np.clip(np.array(picture).astype(int) + addition, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(array), 128)


REFERENCE = {
    "Flip": (lambda p, v: ImageOps.flip(p), 0, 1),
    "Mirror": (lambda p, v: ImageOps.mirror(p), 0, 1),
    "EdgeEnhance": (lambda p, v: p.filter(ImageFilter.EDGE_ENHANCE), 0, 1),
    "Detail": (lambda p, v: p.filter(ImageFilter.DETAIL), 0, 1),
    "Smooth": (lambda p, v: p.filter(ImageFilter.SMOOTH), 0, 1),
    "AutoContrast": (lambda p, v: ImageOps.autocontrast(p), 0, 1),
    "Equalize": (lambda p, v: ImageOps.equalize(p), 0, 1),
    "Invert": (lambda p, v: ImageOps.invert(p), 0, 1),
    "GaussianBlur": (lambda p, v: p.filter(ImageFilter.GaussianBlur(v)), 0, 2),
    "ResizeCrop": (resize_crop, 1, 1.5),
    "Rotate": (lambda p, v: p.rotate(v), 0, 30),
    "Posterize": (lambda p, v: ImageOps.posterize(p, max(1, int(v))), 0, 4),
    "Solarize": (ImageOps.solarize, 0, 256),
    "SolarizeAdd": (solarize_add, 0, 110),
    "Color": (lambda p, v: ImageEnhance.Color(p).enhance(v), 0.1, 1.9),
    "Contrast": (lambda p, v: ImageEnhance.Contrast(p).enhance(v), 0.1, 1.9),
    "Brightness": (lambda p, v: ImageEnhance.Brightness(p).enhance(v), 0.1, 1.9),
    "Sharpness": (lambda p, v: ImageEnhance.Sharpness(p).enhance(v), 0.1, 1.9),
    "ShearX": (lambda p, v: affine(1, v, 0, 0, 1, 0)(p), 0, 0.3),
    "ShearY": (lambda p, v: affine(1, 0, 0, v, 1, 0)(p), 0, 0.3),
    "TranslateX": (lambda p, v: affine(1, 0, -v, 0, 1, 0)(p), 0, 100),
    "TranslateY": (lambda p, v: affine(1, 0, 0, 0, 1, -v)(p), 0, 100),
}
SIGNED = ("Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY")


def by_hand(picture, level, operation, negative):
    """Return a picture after a chain of operations at one level."""
    for number, minus in zip(operation, negative, strict=True):
        if number >= 0:
            function, low, high = list(REFERENCE.values())[number]
            value = level / 30 * (high - low) + low
            picture = function(picture, -value if minus else value)
    return picture


def test_the_operations_are_the_release_s_in_its_order():
    assert list(graded.OPERATIONS) == list(REFERENCE)
    assert len(REFERENCE) == 22


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", REFERENCE)
def test_an_operation_at_every_level_and_sign_is_pillow_s(name, channels):
    images, (function, low, high) = pictures(10, channels), REFERENCE[name]
    for level in (*range(1, 11), 17, 30):
        value = level / 30 * (high - low) + low
        for sign in (1, -1) if name in SIGNED else (1,):
            expected = one_by_one(lambda p, v=sign * value: function(p, v), images)
            amounts = torch.full((10,), sign * amount(name, level, 32)).double()
            result = graded.OPERATIONS[name].apply(images, amounts)
            assert torch.equal(result, expected), (level, sign)


@pytest.mark.parametrize("side", [8, 28])
def test_small_images_move_by_the_same_share_of_their_side_and_large_ones_no_further(side):
    assert amount("TranslateX", 9, side) == round(30 * side / 32)
    assert amount("TranslateY", 9, 32) == amount("TranslateY", 9, 224) == 30
    assert amount("ShearX", 9, side) == amount("ShearX", 9, 32)


# chains

COUNT = 40_000


def assert_share(hits, expected):
    """Five standard deviations either way."""
    share = float(hits.double().mean())
    assert abs(share - expected) <= 5 * math.sqrt(expected * (1 - expected) / hits.numel())


def test_a_chain_is_as_long_as_its_level_and_as_strong():
    levels = torch.arange(COUNT) % 12
    chains = draw_chains(levels, 32, True, seeded())
    assert chains.operation.shape == chains.amount.shape == (COUNT, 11)
    assert torch.equal((chains.operation >= 0).sum(1), levels)
    started = chains.operation >= 0
    assert torch.equal(started, started.sort(1, descending=True).values)  # no gaps
    names, chosen = list(REFERENCE), started.nonzero()[::50]
    for row, turn in chosen.tolist():
        name = names[chains.operation[row, turn]]
        assert abs(float(chains.amount[row, turn])) == amount(name, row % 12, 32)


def test_operations_are_drawn_alike_with_replacement_and_signs_by_a_coin():
    chains = draw_chains(torch.full((COUNT,), 3), 32, True, seeded())
    for number, name in enumerate(REFERENCE):
        for turn in range(3):
            assert_share(chains.operation[:, turn] == number, 1 / 22)
        below = chains.amount[chains.operation == number] < 0
        if name in SIGNED:
            assert_share(below, 0.5)
        else:
            assert not below.any()
    assert_share(chains.operation[:, 0] == chains.operation[:, 1], 1 / 22)


def test_images_that_lose_their_label_when_mirrored_are_not():
    chains = draw_chains(torch.full((COUNT,), 2), 8, False, seeded())
    assert int(chains.operation.min()) == 2  # neither Flip nor Mirror
    for number in range(2, 22):
        assert_share(chains.operation == number, 1 / 20)


@pytest.mark.parametrize("levels", [[0, 31], [-1, 3], [0.0, 1.0]])
def test_levels_are_whole_numbers_from_0_to_30(levels):
    with pytest.raises(ValueError, match="whole numbers from 0 to 30"):
        draw_chains(torch.tensor(levels), 32, True, seeded())


# views


@pytest.mark.parametrize("view", views.VIEWS)
@pytest.mark.parametrize("count", [0, 1, 60])
def test_at_level_0_a_view_is_what_it_is_without(view, count):
    images = pictures(60)[:count]
    grading = Grading(torch.zeros(count, dtype=torch.int64))
    result = render(view, images, Augment(), seeded(), grading=grading)
    assert torch.equal(result, render(view, images, Augment(), seeded()))


def test_cutout_comes_last_and_once():
    images, generator = pictures(60), seeded()
    grading = Grading(torch.zeros(60, dtype=torch.int64), cutout=True)
    plain = render("standard", images, Augment(), generator)
    expected = cutout(plain, draw_holes(60, 32, generator))
    assert torch.equal(render("standard", images, Augment(), seeded(), grading=grading), expected)
    assert not torch.equal(expected, plain)
    own = render("autoaugment", images, Augment(), seeded())
    result = render("autoaugment", images, Augment(), seeded(), grading=grading)
    assert torch.equal(result, own)


@pytest.mark.parametrize(("channels", "side"), [(3, 32), (1, 32)])
def test_a_graded_view_is_crop_operations_and_cutout_of_pillow(channels, side):
    images, augment, generator = pictures(330, channels, side), Augment(), seeded()
    levels = torch.arange(330) % 11
    cropped = views.crop(images, views.draw_crops(330, augment, generator), augment.padding)
    chains = draw_chains(levels, side, True, generator)
    expected = one_by_one(
        by_hand, cropped, levels.tolist(), chains.operation.tolist(), (chains.amount < 0).tolist()
    )
    expected = cutout(expected, draw_holes(330, side, generator))
    result = render("standard", images, augment, seeded(), grading=Grading(levels, cutout=True))
    assert torch.equal(result, expected)


def test_operations_come_between_the_policy_and_cutout():
    """Inverted after it, a hole would be white."""
    images, generator = torch.full((400, 3, 32, 32), 200, dtype=torch.uint8), seeded()
    grading = Grading(torch.ones(400, dtype=torch.int64))
    result = render("autoaugment", images, Augment(0), generator, grading=grading)
    alone = render("autoaugment", images, Augment(0), seeded())
    assert not torch.equal(result, alone)
    assert all((image == 0).sum() >= 3 * 8 * 8 for image in result)


@pytest.mark.parametrize("chunk", [1, 7 * 3072, 1 << 30])
def test_chunks_do_not_show(chunk, monkeypatch):
    images, grading = pictures(150), Grading(torch.arange(150) % 5, cutout=True)
    expected = render("standard", images, Augment(), seeded(), grading=grading)
    monkeypatch.setattr(colour, "CPU_CHUNK_BYTES", chunk)
    result = render("standard", images, Augment(), seeded(), grading=grading)
    assert torch.equal(result, expected)


def test_every_image_has_a_level():
    with pytest.raises(ValueError, match="3 levels for 4 images"):
        render("clean", pictures(4), Augment(), seeded(), grading=Grading(torch.zeros(3).long()))


# feeds


@pytest.fixture
def source():
    info = replace(CATALOG["cifar10_lt"], shape=(3, 8, 8))
    labels = torch.randint(0, 4, (23,), generator=seeded(2))
    return Feed(info, Subset(pictures(23, side=8), labels))


def test_an_epoch_asks_once_for_all_its_labels_and_grades_the_first_view_alone(source):
    asked = []

    def grade(targets):
        asked.append(targets)
        return Grading(torch.full_like(targets, 4))

    views_ = ("standard", "contrastive", "standard")
    plain = list(source.epoch(views_, "reversed_pairs", 10, False, 0))
    found = list(source.epoch(views_, "reversed_pairs", 10, False, 0, grade=grade))
    (targets,) = asked
    assert torch.equal(targets, torch.cat([batch.targets for batch in plain]))
    assert torch.equal(targets, source.subset.labels[torch.cat([b.indices for b in found])])
    for before, after in zip(plain, found, strict=True):
        assert not torch.equal(before.views[0], after.views[0])
        assert all(map(torch.equal, before.views[1:], after.views[1:]))
        assert torch.equal(before.indices, after.indices)


def test_every_image_of_an_epoch_is_at_its_own_level(source):
    def grade(targets):
        return Grading(4 * (targets == 2).long())

    plain = list(source.epoch(("clean",), "instance_balanced", 5, False, 0))
    found = list(source.epoch(("clean",), "instance_balanced", 5, False, 0, grade=grade))
    targets = torch.cat([batch.targets for batch in found])
    same = torch.cat([(a.images == b.images).flatten(1).all(1)
                      for a, b in zip(plain, found, strict=True)])  # fmt: skip
    assert same[targets != 2].all()
    assert not same[targets == 2].all()


def test_chosen_images_pass_through_a_view_in_the_order_given(source, monkeypatch):
    monkeypatch.setattr(feed, "BLOCK", 600)
    indices = torch.randint(0, 23, (1500,), generator=seeded(3))
    levels = torch.arange(1500) % 3
    batches = list(source.graded("clean", indices, Grading(levels), seeded()))
    sizes = [len(batch.targets) for batch in batches]
    assert sizes == [CLEAN_BATCH, 100, CLEAN_BATCH, 100, 300]
    assert torch.equal(torch.cat([batch.indices for batch in batches]), indices)
    assert torch.equal(torch.cat([batch.targets for batch in batches]),
                       source.subset.labels[indices])  # fmt: skip
    images = torch.cat([batch.images for batch in batches])
    own = source.normalise(source.subset.images[indices])
    same = (images == own).flatten(1).all(1)
    assert same[levels == 0].all()
    assert not same[levels > 0].all()
    again = list(source.graded("clean", indices, Grading(levels), seeded()))
    assert all(torch.equal(a.images, b.images) for a, b in zip(batches, again, strict=True))


def test_holes_are_as_cutout_draws_them(source):
    (batch,) = source.graded(
        "clean", torch.arange(23), Grading(torch.zeros(23).long(), cutout=True), seeded()
    )
    holes = draw_holes(23, 8, seeded())
    assert torch.equal(batch.images, source.normalise(cutout(source.subset.images, holes)))
