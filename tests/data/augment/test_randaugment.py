"""RandAugment of timm's: every operation against Pillow by hand, and what is drawn."""

import numpy as np
import pytest
import torch
from made_images import pixels
from PIL import Image, ImageEnhance, ImageOps

from ltbench.data.augment.randaugment import COLUMNS, MEAN, OPERATIONS, change, draw

IMAGE = Image.fromarray(pixels(4, 40, 40))
PLAIN = [0, 1, 2, 1.0, 1.0, 1.0]  # a jitter that changes nothing
NONE = [-1, 0.0, 1.0, 0.0]
SHIFT = 0.8 * 0.45 * 40  # in timm's order, to the last bit
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR


def row(first, second=NONE):
    """Return a row of draws from two layers of operation, level, sign, cubic."""
    return PLAIN + [value for pair in zip(first, second, strict=True) for value in pair]


def affine(matrix, how):
    return IMAGE.transform(IMAGE.size, Image.Transform.AFFINE, matrix, how, fillcolor=MEAN)


# At level 8 of 10, upward and bilinear, by timm's tables.
EXPECTED = [
    ImageOps.autocontrast(IMAGE), ImageOps.equalize(IMAGE), ImageOps.invert(IMAGE),
    IMAGE.rotate(24, BILINEAR, fillcolor=MEAN), ImageOps.posterize(IMAGE, 3),
    ImageOps.solarize(IMAGE, 204),
    Image.fromarray(np.where(np.asarray(IMAGE) < 128, np.asarray(IMAGE) + 88, np.asarray(IMAGE))),
    ImageEnhance.Color(IMAGE).enhance(1.54), ImageEnhance.Contrast(IMAGE).enhance(1.54),
    ImageEnhance.Brightness(IMAGE).enhance(1.54), ImageEnhance.Sharpness(IMAGE).enhance(1.54),
    affine((1, 0.24, 0, 0, 1, 0), BILINEAR), affine((1, 0, 0, 0.24, 1, 0), BILINEAR),
    affine((1, 0, SHIFT, 0, 1, 0), BILINEAR), affine((1, 0, 0, 0, 1, SHIFT), BILINEAR),
]  # fmt: skip


@pytest.mark.parametrize("number", range(15))
def test_an_operation_is_pillows_at_timms_amount(number):
    assert len(OPERATIONS) == len(EXPECTED)
    found = np.asarray(change(IMAGE, row([number, 8.0, 1.0, 0.0])))
    assert np.array_equal(found, np.asarray(EXPECTED[number]))
    assert np.array_equal(found, np.asarray(change(IMAGE, row(NONE, [number, 8.0, 1.0, 0.0]))))


@pytest.mark.parametrize(
    ("number", "matrix"), [(11, (1, -0.3, 0, 0, 1, 0)), (13, (1, 0, -18.0, 0, 1, 0))]
)
def test_sign_and_filter_are_the_images_own(number, matrix):
    found = change(IMAGE, row([number, 10.0, -1.0, 1.0]))
    assert np.array_equal(np.asarray(found), np.asarray(affine(matrix, BICUBIC)))


def test_jitter_comes_first_in_its_own_order():
    jitter = [2, 0, 1, 0.7, 1.3, 0.8]
    by = (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast)
    expected = IMAGE
    for enhancer, factor in zip(by, (0.7, 1.3, 0.8), strict=True):
        expected = enhancer(expected).enhance(factor)
    found = change(IMAGE, jitter + row([2, 8.0, 1.0, 0.0])[6:])
    assert np.array_equal(np.asarray(found), np.asarray(ImageOps.invert(expected)))


def test_what_is_drawn_has_the_distribution_of_the_recipe():
    drawn = draw(20_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (20_000, COLUMNS)
    operation, level = drawn[:, 6:8], drawn[:, 8:10]
    assert (operation < 0).double().mean() == pytest.approx(0.5, abs=0.01)
    shares = operation[operation >= 0].long().bincount(minlength=15) / (operation >= 0).sum()
    assert shares.tolist() == pytest.approx([1 / 15] * 15, abs=0.006)
    assert level.max() == 10
    assert (level == 10).double().mean() == pytest.approx(0.5, abs=0.01)
    assert level.min() > 7
    assert drawn[:, 10:12].mean() == pytest.approx(0, abs=0.02)
    assert drawn[:, 12:].mean() == pytest.approx(0.5, abs=0.01)
    assert drawn[:, :3].sort(1).values.unique(dim=0).tolist() == [[0, 1, 2]]
    assert 0.6 <= drawn[:, 3:6].min() < 0.61
    assert 1.39 < drawn[:, 3:6].max() <= 1.4
    same = draw(20_000, torch.Generator().manual_seed(0))
    assert torch.equal(same, drawn)
