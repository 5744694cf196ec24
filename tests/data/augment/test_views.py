"""Views against torchvision's own operations on Pillow images, and the laws of their draws."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter
from pillow_images import enlarge, from_pillow, one_by_one, solarize_add, to_pillow
from torch import Generator
from torchvision.transforms import (
    AutoAugment,
    AutoAugmentPolicy,
    InterpolationMode,
    RandomResizedCrop,
)
from torchvision.transforms import autoaugment as torchvision_autoaugment
from torchvision.transforms import functional as TF

from ltbench.data.augment import autoaugment, filters, views
from ltbench.data.augment import pixels as colour
from ltbench.data.augment import simclr as contrastive
from ltbench.data.augment.views import VIEWS, Augment, render

SHAPES = [(3, 32), (1, 28), (1, 32), (3, 28)]


def seeded(seed=0):
    return Generator().manual_seed(seed)


def pictures(count, channels=3, side=32, seed=0):
    """Smooth pictures with noise; among them narrow ranges, grey, two-valued and flat ones."""
    generator = seeded(seed)
    coarse = torch.rand(count, channels, 5, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic")
    noise = torch.randn(count, channels, side, side, generator=generator)
    span = torch.rand(count, 1, 1, 1, generator=generator) * 300
    images = (128 + (smooth - 0.5) * span + noise * span / 20).clamp(0, 255).byte()
    images[0::7] = images[0::7, :1]
    images[1::7] = torch.where(images[1::7] > 120, 255, 0).byte()
    images[2::29] = images[2::29, :, :1, :1]
    images[3::7] = (images[3::7] // 64) + 100
    return images


def uniform(count, low, high, seed=1):
    return low + torch.rand(count, generator=seeded(seed), dtype=torch.float64) * (high - low)


# The names of this module's own operations, torchvision's, and the range of their amounts.
OPERATIONS = {
    "brightness": (colour.brightness, TF.adjust_brightness, (0.0, 2.0)),
    "contrast": (colour.contrast, TF.adjust_contrast, (0.0, 2.0)),
    "saturation": (colour.saturation, TF.adjust_saturation, (0.0, 2.0)),
    "sharpness": (filters.sharpness, TF.adjust_sharpness, (0.0, 2.0)),
    "hue": (colour.hue, TF.adjust_hue, (-0.5, 0.5)),
    "grayscale": (
        colour.grayscale,
        lambda p, _: TF.to_grayscale(p, len(p.getbands())),
        (0.0, 0.0),
    ),
    "invert": (colour.invert, lambda p, _: TF.invert(p), (0.0, 0.0)),
    "posterize": (colour.posterize, lambda p, bits: TF.posterize(p, int(bits)), (1.0, 9.0)),
    "solarize": (colour.solarize, TF.solarize, (0.0, 256.0)),
    "autocontrast": (colour.autocontrast, lambda p, _: TF.autocontrast(p), (0.0, 0.0)),
    "equalize": (colour.equalize, lambda p, _: TF.equalize(p), (0.0, 0.0)),
    "rotate": (autoaugment.rotate, lambda p, a: TF.rotate(p, a, fill=128), (-180.0, 180.0)),
    "shear_x": (autoaugment.shear_x, lambda p, a: shear(p, a, 0.0), (-0.6, 0.6)),
    "shear_y": (autoaugment.shear_y, lambda p, a: shear(p, 0.0, a), (-0.6, 0.6)),
    "translate_x": (autoaugment.translate_x, lambda p, a: translate(p, a, 0.0), (-40.0, 40.0)),
    "translate_y": (autoaugment.translate_y, lambda p, a: translate(p, 0.0, a), (-40.0, 40.0)),
    "edge_enhance": (
        filters.edge_enhance,
        lambda p, _: p.filter(ImageFilter.EDGE_ENHANCE),
        (0.0, 0.0),
    ),
    "detail": (filters.detail, lambda p, _: p.filter(ImageFilter.DETAIL), (0.0, 0.0)),
    "smooth": (filters.smooth, lambda p, _: p.filter(ImageFilter.SMOOTH), (0.0, 0.0)),
    "gaussian_blur": (
        filters.gaussian_blur,
        lambda p, a: p.filter(ImageFilter.GaussianBlur(a)),
        (0.0, 4.0),
    ),
    "enlarge": (filters.enlarge, enlarge, (1.0, 2.5)),
    "solarize_add": (filters.solarize_add, solarize_add, (0.0, 256.0)),
}


def shear(picture, slope_x, slope_y):
    degrees = [math.degrees(math.atan(slope)) for slope in (slope_x, slope_y)]
    return TF.affine(picture, 0.0, [0, 0], 1.0, degrees, fill=128, center=[0, 0])


def translate(picture, x, y):
    return TF.affine(picture, 0.0, [int(x), int(y)], 1.0, [0.0, 0.0], fill=128)


@pytest.mark.parametrize(("channels", "side"), SHAPES)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operation_gives_torchvisions_bytes(name, channels, side):
    ours, torchvisions, (low, high) = OPERATIONS[name]
    images = pictures(120, channels, side)
    amounts = uniform(len(images), low, high)
    if name in {"grayscale", "hue", "saturation"} and channels == 1:
        assert torch.equal(ours(images, amounts), images)
    before = images.clone()
    result = ours(images, amounts)
    assert result.dtype == torch.uint8
    assert torch.equal(result, one_by_one(torchvisions, images, amounts.tolist()))
    assert torch.equal(images, before)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.sampled_from(sorted(OPERATIONS)),
    st.integers(3, 40),
    st.sampled_from((1, 3)),
    st.floats(0, 1),
    st.integers(0, 999),
)
def test_operation_at_any_size(name, side, channels, share, seed):
    ours, torchvisions, (low, high) = OPERATIONS[name]
    images = pictures(4, channels, side, seed)
    amount = min(low + share * (high - low), 8.0 if name == "posterize" else high)
    result = ours(images, torch.full((4,), amount, dtype=torch.float64))
    assert torch.equal(result, one_by_one(torchvisions, images, [amount] * 4))


def test_hue_of_every_colour():
    levels = torch.arange(256, dtype=torch.uint8)
    cube = torch.stack(torch.meshgrid(levels, levels, levels, indexing="ij"))
    flat = cube.view(3, 4096, 4096)
    expected = from_pillow(TF.adjust_hue(to_pillow(flat), 0.1)).reshape(cube.shape)
    shift = torch.full((1,), 0.1, dtype=torch.float64)
    for red in range(0, 256, 16):  # one chunk: 2^20 colours
        part = slice(red, red + 16)
        turned = colour.hue(cube[:, part].reshape(1, 3, 1024, 1024), shift)
        assert torch.equal(turned.view(3, 16, 256, 256), expected[:, part])


def test_contrast_rounds_the_mean_as_python_does():
    images = torch.zeros(2, 1, 28, 28, dtype=torch.uint8)
    images[0, 0, :14] = 1  # the mean is exactly one half
    images[1, 0, :13] = 1
    assert colour.contrast(images, torch.zeros(2).double()).flatten(1).amax(1).tolist() == [1, 0]


def test_policy_is_torchvisions():
    theirs = AutoAugment(AutoAugmentPolicy.CIFAR10).policies
    plain = tuple(tuple((name, p, m or 0) for name, p, m in pair) for pair in theirs)
    assert plain == autoaugment.POLICY


@pytest.mark.parametrize("name", autoaugment.OPERATIONS)
def test_magnitudes_are_torchvisions(name):
    """Every operation at every magnitude and sign, by torchvision's own table and dispatch."""
    images = pictures(12)
    magnitudes, signed = AutoAugment()._augmentation_space(10, (32, 32))[name]
    for magnitude in range(10):
        value = float(magnitudes[magnitude] if magnitudes.ndim else magnitudes)
        if name == "Solarize":
            value *= 256 / 255  # the one grid that differs
        for sign, amount in zip((-1, 1), autoaugment.amounts(name, magnitude, 32), strict=True):
            signed_value = value * sign if signed and name != "Rotate" else value
            expected = one_by_one(lambda p, v=signed_value: torchvision_step(p, name, v), images)
            result = autoaugment.OPERATIONS[name](images, torch.full((12,), amount).double())
            assert torch.equal(result, expected), (name, magnitude, sign)


def torchvision_step(picture, name, value):
    return torchvision_autoaugment._apply_op(
        picture, name, value, interpolation=InterpolationMode.NEAREST, fill=128
    )


def torchvision_policy(picture, operation, amount):
    """Apply the drawn steps; amounts of blends are factors, torchvision's are changes of them."""
    names = list(autoaugment.OPERATIONS)
    for number, value in zip(operation.tolist(), amount.tolist(), strict=True):
        if number < 0:
            continue
        blends = names[number] in {"Brightness", "Color", "Contrast", "Sharpness"}
        picture = torchvision_step(picture, names[number], value - 1 if blends else value)
    return picture


def torchvision_crop(picture, top, left, flip, padding=4):
    side = picture.width
    picture = TF.crop(TF.pad(picture, padding), int(top), int(left), side, side)
    return TF.hflip(picture) if flip else picture


def torchvision_cutout(picture, row, column):
    array, size = np.array(picture), picture.width // 2
    top, left = int(row) - size // 2, int(column) - size // 2
    array[max(top, 0) : top + size, max(left, 0) : left + size] = 0
    return Image.fromarray(array)


def torchvision_resized_crop(picture, *box):
    *window, flip = (int(value) for value in box)
    picture = TF.resized_crop(picture, *window, [picture.height, picture.width])
    return TF.hflip(picture) if flip else picture


def torchvision_jitter(picture, operation, amount):
    functions = (
        TF.adjust_brightness,
        TF.adjust_contrast,
        TF.adjust_saturation,
        TF.adjust_hue,
        lambda p, _: TF.to_grayscale(p, len(p.getbands())),
    )
    for number, value in zip(operation.tolist(), amount.tolist(), strict=True):
        if number >= 0:
            picture = functions[number](picture, value)
    return picture


def fields(draws):
    return vars(draws).values()


@pytest.mark.parametrize(("channels", "side"), SHAPES)
def test_standard_view_is_torchvisions(channels, side):
    images, augment = pictures(200, channels, side), Augment(padding=3)
    crops = views.draw_crops(200, augment, seeded())
    expected = one_by_one(
        lambda p, *row: torchvision_crop(p, *row, padding=3), images, *fields(crops)
    )
    assert torch.equal(render("standard", images, augment, seeded()), expected)


@pytest.mark.parametrize(("channels", "side"), SHAPES)
def test_autoaugment_view_is_torchvisions(channels, side):
    images, generator = pictures(500, channels, side), seeded()
    expected = one_by_one(
        torchvision_crop, images, *fields(views.draw_crops(500, Augment(), generator))
    )
    steps = autoaugment.draw_steps(500, side, generator)
    expected = one_by_one(torchvision_policy, expected, *fields(steps))
    holes = autoaugment.draw_holes(500, side, generator)
    expected = one_by_one(torchvision_cutout, expected, *fields(holes))
    assert torch.equal(render("autoaugment", images, Augment(), seeded()), expected)


@pytest.mark.parametrize(("channels", "side"), SHAPES)
def test_contrastive_view_is_torchvisions(channels, side):
    images, generator = pictures(500, channels, side), seeded()
    boxes = contrastive.draw_boxes(500, side, True, generator)
    expected = one_by_one(torchvision_resized_crop, images, *fields(boxes))
    steps = contrastive.draw_jitter(500, generator)
    expected = one_by_one(torchvision_jitter, expected, *fields(steps))
    assert torch.equal(render("contrastive", images, Augment(), seeded()), expected)


def test_resized_view_is_torchvisions_crop_of_any_area_and_nothing_more():
    images = pictures(500)
    boxes = contrastive.draw_boxes(500, 32, True, seeded(), (0.08, 1.0))
    share = (boxes.height * boxes.width) / 32**2
    assert 0.06 < share.min() < 0.12
    assert 0.9 < share.max() <= 1
    expected = one_by_one(torchvision_resized_crop, images, *fields(boxes))
    assert torch.equal(render("resized", images, Augment(), seeded()), expected)


@pytest.mark.parametrize("side", [32, 28, 45])
def test_resized_crop_of_every_box_length(side):
    """Each length of a line at its first and last place, in both directions."""
    lines = [(start, n) for n in range(1, side + 1) for start in {0, side - n}]
    top, height = torch.tensor(lines).unbind(1)
    left, width = torch.tensor(lines[::-1]).unbind(1)
    images = pictures(len(lines), 3, side)
    boxes = contrastive.Boxes(top, left, height, width, torch.arange(len(lines)) % 2 == 0)
    expected = one_by_one(torchvision_resized_crop, images, *fields(boxes))
    assert torch.equal(contrastive.resized_crop(images, boxes), expected)


def test_standard_view_without_padding_and_flip_is_the_images():
    images = pictures(5)
    assert torch.equal(render("standard", images, Augment(0, False), seeded()), images)


def test_clean_view_is_the_images():
    images = pictures(5)
    assert torch.equal(render("clean", images, Augment(), seeded()), images)


@pytest.mark.parametrize("view", VIEWS)
class TestEveryView:
    def test_leaves_its_argument_alone(self, view):
        images = pictures(50)
        before = images.clone()
        render(view, images, Augment(), seeded())
        assert torch.equal(images, before)

    def test_same_seed_same_view(self, view):
        images = pictures(50)
        first = render(view, images, Augment(), seeded(3))
        assert torch.equal(first, render(view, images, Augment(), seeded(3)))
        other = render(view, images, Augment(), seeded(4))
        assert torch.equal(first, other) == (view == "clean")

    def test_every_image_has_its_own_draw(self, view):
        images = pictures(60)[5:6].expand(60, -1, -1, -1)
        different = len(torch.unique(render(view, images, Augment(), seeded()), dim=0))
        assert different == 1 if view == "clean" else different > 35

    @pytest.mark.parametrize("chunk", [1, 7 * 3072, 1 << 30])
    def test_chunks_do_not_show(self, view, chunk, monkeypatch):
        images = pictures(150)
        expected = render(view, images, Augment(), seeded())
        monkeypatch.setattr(colour, "CPU_CHUNK_BYTES", chunk)
        assert torch.equal(render(view, images, Augment(), seeded()), expected)

    def test_memory_layout_does_not_show(self, view):
        images = pictures(150)
        expected = render(view, images, Augment(), seeded())
        channels_last = images.to(memory_format=torch.channels_last)
        result = render(view, channels_last, Augment(), seeded())
        assert torch.equal(result, expected)
        assert result.is_contiguous()

    @pytest.mark.parametrize("count", [0, 1])
    def test_few_images_or_none_keep_shape_and_type(self, view, count):
        result = render(view, pictures(1)[:count], Augment(), seeded())
        assert result.shape == (count, 3, 32, 32)
        assert result.dtype == torch.uint8

    def test_images_that_are_no_square_bytes_are_refused(self, view):
        for wrong in (
            torch.zeros(2, 3, 32, 32),
            torch.zeros(2, 3, 32, 16, dtype=torch.uint8),
            torch.zeros(2, 2, 32, 32, dtype=torch.uint8),
            torch.zeros(32, 32, dtype=torch.uint8),
        ):
            with pytest.raises(ValueError, match="uint8 images"):
                render(view, wrong, Augment(), seeded())


def test_unknown_view_names_the_known():
    with pytest.raises(ValueError, match=r"'blurred'.*clean, standard, autoaugment, contrastive"):
        render("blurred", pictures(1), Augment(), seeded())


# Draws ------------------------------------------------------------------------------------------

COUNT = 60_000


def assert_share(hits, expected):
    """Five standard deviations either way: a fair draw fails once in a million."""
    share = float(hits.double().mean())
    assert abs(share - expected) <= 5 * math.sqrt(expected * (1 - expected) / hits.numel()) + 1e-12


def assert_uniform(values, count):
    """Whole numbers 0..count-1, each equally often."""
    assert 0 <= int(values.min()) <= int(values.max()) < count
    for value in range(count):
        assert_share(values == value, 1 / count)


def test_crops_are_uniform():
    crops = views.draw_crops(COUNT, Augment(padding=4), seeded())
    assert_uniform(crops.top, 9)
    assert_uniform(crops.left, 9)
    assert_uniform(crops.top * 9 + crops.left, 81)
    assert_share(crops.flip, 0.5)


def test_no_flip_where_a_mirrored_image_loses_its_label():
    augment = Augment(flip=False)
    assert not views.draw_crops(500, augment, seeded()).flip.any()
    assert not contrastive.draw_boxes(500, 32, False, seeded()).flip.any()
    half = torch.zeros(500, 1, 28, 28, dtype=torch.uint8)
    half[..., :14] = 200  # bright on the left, in every view that does not mirror
    for view in ("standard", "contrastive"):
        result = render(view, half, augment, seeded()).double()
        assert (result[..., :14].sum((1, 2, 3)) >= result[..., 14:].sum((1, 2, 3))).all()
        result = render(view, half, Augment(), seeded()).double()
        assert (result[..., :14].sum((1, 2, 3)) < result[..., 14:].sum((1, 2, 3))).any()


def test_policy_fires_as_often_as_it_says():
    steps = autoaugment.draw_steps(COUNT, 32, seeded())
    for turn, (number, name) in itertools.product((0, 1), enumerate(autoaugment.OPERATIONS)):
        pairs = [pair[turn] for pair in autoaugment.POLICY]
        expected = sum(p for operation, p, _ in pairs if operation == name) / len(pairs)
        assert_share(steps.operation[:, turn] == number, expected)
    assert_share((steps.operation < 0).all(1), nothing_fires())


def nothing_fires():
    """Both steps of a sub-policy are drawn apart."""
    pairs = [(first[1], second[1]) for first, second in autoaugment.POLICY]
    return sum((1 - p) * (1 - q) for p, q in pairs) / len(pairs)


def test_signs_of_the_policy():
    steps = autoaugment.draw_steps(COUNT, 32, seeded())
    names = list(autoaugment.OPERATIONS)
    for name, centre in {
        "ShearY": 0,
        "TranslateX": 0,
        "TranslateY": 0,
        "Brightness": 1,
        "Contrast": 1,
        "Sharpness": 1,
    }.items():
        amounts = steps.amount[steps.operation == names.index(name)]
        assert_share(amounts > centre, 0.5)
        assert (amounts != centre).all()
    degrees = steps.amount[steps.operation == names.index("Rotate")]
    assert degrees.unique().tolist() == [pytest.approx(20 / 3)]
    thresholds = steps.amount[steps.operation == names.index("Solarize")]
    grid = [256 * (9 - magnitude) / 9 for magnitude in (8, 5, 3, 2)]
    assert thresholds.unique().tolist() == [pytest.approx(value) for value in grid]


def test_holes_are_uniform_over_the_pixels():
    holes = autoaugment.draw_holes(COUNT, 32, seeded())
    assert_uniform(holes.row, 32)
    assert_uniform(holes.column, 32)
    blocks = holes.row // 8 * 4 + holes.column // 8
    assert_uniform(blocks, 16)


def test_cutout_is_cut_off_at_the_border():
    images = torch.full((3, 3, 32, 32), 9, dtype=torch.uint8)
    holes = autoaugment.Holes(torch.tensor([16, 0, 31]), torch.tensor([16, 0, 16]))
    gone = autoaugment.cutout(images, holes) == 0
    assert gone.sum((1, 2, 3)).tolist() == [3 * 16 * 16, 3 * 8 * 8, 3 * 9 * 16]
    assert gone[0, :, 8:24, 8:24].all()


def test_boxes_follow_torchvision():
    boxes = contrastive.draw_boxes(COUNT, 32, True, seeded())
    assert (boxes.top >= 0).all()
    assert (boxes.left >= 0).all()
    assert (boxes.top + boxes.height <= 32).all()
    assert (boxes.left + boxes.width <= 32).all()
    assert_share(boxes.flip, 0.5)
    torch.manual_seed(0)
    picture = to_pillow(pictures(1)[0])
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(picture, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)]
    ).double()
    ours = torch.stack((boxes.top, boxes.left, boxes.height, boxes.width), 1).double()
    area_ours, area_theirs = ours[:, 2] * ours[:, 3], theirs[:, 2] * theirs[:, 3]
    for mine, other in (*zip(ours.T, theirs.T, strict=True), (area_ours, area_theirs)):
        for power in (1, 2):
            a, b = mine**power, other**power
            deviation = math.sqrt(float(a.var()) / len(a) + float(b.var()) / len(b))
            assert abs(float(a.mean() - b.mean())) < 5 * deviation


def test_whole_image_where_no_box_fits():
    boxes = contrastive.draw_boxes(20, 32, True, seeded(), (2.0, 3.0))
    assert [int(t.unique()) for t in (boxes.top, boxes.left, boxes.height, boxes.width)] == [
        0,
        0,
        32,
        32,
    ]


def test_jitter_draws_every_order_alike_and_each_amount_in_its_range():
    steps = contrastive.draw_jitter(COUNT, seeded())
    order, grey = steps.operation[:, :4], steps.operation[:, 4]
    fired = order[:, 0] >= 0
    assert_share(fired, 0.8)
    assert (order[~fired] == -1).all()
    assert (order[fired].sort(1).values == torch.arange(4)).all()
    orders = order[fired] @ torch.tensor([64, 16, 4, 1])
    assert len(orders.unique()) == 24
    for each in orders.unique():
        assert_share(orders == each, 1 / 24)
    assert grey.unique().tolist() == [-1, 4]
    assert_share(grey == 4, 0.2)
    assert_share((grey == 4)[fired], 0.2)
    for number, (low, high) in enumerate([(0.6, 1.4)] * 3 + [(-0.1, 0.1)]):
        factors = steps.amount[:, :4][order == number]
        assert low - 1e-6 <= float(factors.min()) <= float(factors.max()) <= high + 1e-6
        assert_uniform(((factors - low) / (high - low) * 10).long().clamp(max=9), 10)
