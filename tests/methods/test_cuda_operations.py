"""CUDA's augmentation: its table against Pillow, its chains, and views that take it."""

import math

import pytest
import torch
from ltbench.methods.cuda import CUDA, OPERATIONS, Chains, amount, draw_chains
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from pillow_images import enlarge, one_by_one, solarize_add
from torch import Generator

from ltbench.data.augment import pixels, views
from ltbench.data.augment.autoaugment import cutout, draw_holes
from ltbench.data.augment.views import Augment, random_cutout, render, view_of


def seeded(seed=0):
    return Generator().manual_seed(seed)


def at(view, levels, *, cutout=False):
    """A named view with operations at the images' levels."""
    return CUDA(cutout=cutout).at(view_of(view), levels)


def pictures(count, channels=3, side=32):
    """Smooth pictures with noise, some of a narrow range."""
    coarse = torch.rand(count, channels, 5, 5, generator=seeded()) * 255
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic")
    noise = torch.randn(smooth.shape, generator=seeded(1)) * 12
    images = (smooth + noise).clamp(0, 255).to(torch.uint8)
    images[::5] = images[::5] // 3 + 70
    return images


# As the release has them: an operation on a picture, and what is taken of its range at l / 30.


def affine(*matrix):
    return lambda picture: picture.transform(picture.size, Image.Transform.AFFINE, matrix)


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
    "ResizeCrop": (enlarge, 1, 1.5),
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
    assert list(OPERATIONS) == list(REFERENCE)
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
            result = OPERATIONS[name].apply(images, amounts)
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
    result = render(at(view, torch.zeros(count).long()), images, Augment(), seeded())
    assert torch.equal(result, render(view, images, Augment(), seeded()))


def test_cutout_comes_last_and_once():
    images, generator = pictures(60), seeded()
    levels = torch.zeros(60).long()
    plain = render("standard", images, Augment(), generator)
    expected = cutout(plain, draw_holes(60, 32, generator))
    view = at("standard", levels, cutout=True)
    assert torch.equal(render(view, images, Augment(), seeded()), expected)
    assert not torch.equal(expected, plain)
    own = render("autoaugment", images, Augment(), seeded())
    view = at("autoaugment", levels, cutout=True)
    assert view.count(random_cutout) == 1
    assert torch.equal(render(view, images, Augment(), seeded()), own)


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
    result = render(at("standard", levels, cutout=True), images, augment, seeded())
    assert torch.equal(result, expected)


def test_operations_come_between_the_policy_and_cutout():
    """Inverted after it, a hole would be white."""
    images, generator = torch.full((400, 3, 32, 32), 200, dtype=torch.uint8), seeded()
    view = at("autoaugment", torch.ones(400).long())
    result = render(view, images, Augment(0), generator)
    alone = render("autoaugment", images, Augment(0), seeded())
    assert not torch.equal(result, alone)
    assert all((image == 0).sum() >= 3 * 8 * 8 for image in result)


@pytest.mark.parametrize("chunk", [1, 7 * 3072, 1 << 30])
def test_chunks_do_not_show(chunk, monkeypatch):
    images, view = pictures(150), at("standard", torch.arange(150) % 5, cutout=True)
    expected = render(view, images, Augment(), seeded())
    monkeypatch.setattr(pixels, "CPU_CHUNK_BYTES", chunk)
    assert torch.equal(render(view, images, Augment(), seeded()), expected)


def test_every_image_has_a_level():
    with pytest.raises(ValueError, match="3 levels for 4 images"):
        render((Chains(torch.zeros(3).long()),), pictures(4), Augment(), seeded())
