"""Photometric distortion, against Python's own colour conversion pixel by pixel."""

import colorsys
from dataclasses import fields

import pytest
import torch

from ltbench.data.augment.distortion import Distortions, distort, distortion, draw_distortions
from ltbench.data.augment.views import Augment, render

IMAGES = torch.randint(256, (6, 3, 5, 5), generator=torch.Generator().manual_seed(0)).byte()


def plain(count, **changes):
    """Draws under which nothing acts, but for what is given."""
    none = {
        "brightness": torch.zeros(count), "contrast": torch.ones(count),
        "first": torch.zeros(count, dtype=torch.bool), "saturation": torch.ones(count),
        "hue": torch.zeros(count), "order": torch.arange(3).expand(count, 3),
    }  # fmt: skip
    return Distortions(**(none | changes))


def by_hand(image, draws, row):
    """One image's distortions, a pixel at a time."""
    one = {field.name: getattr(draws, field.name)[row] for field in fields(draws)}
    contrast = float(one["contrast"])
    made = torch.empty_like(image, dtype=torch.float32)
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            pixel = [max(0.0, float(v) + float(one["brightness"])) for v in image[:, y, x]]
            pixel = [v * contrast if one["first"] else v for v in pixel]
            hue, saturation, value = colorsys.rgb_to_hsv(*pixel)
            hue = (hue + float(one["hue"]) / 360) % 1
            pixel = colorsys.hsv_to_rgb(hue, saturation * float(one["saturation"]), value)
            pixel = [v if one["first"] else v * contrast for v in pixel]
            pixel = [pixel[c] for c in one["order"].tolist()]
            made[:, y, x] = torch.tensor(pixel)
    return made


def test_distorted_pixels_are_those_of_another_conversion():
    draws = draw_distortions(len(IMAGES), torch.Generator().manual_seed(4))
    made = distort(IMAGES, draws)
    expected = torch.stack([by_hand(image, draws, row) for row, image in enumerate(IMAGES)])
    assert (made - expected).abs().max() < 1e-3
    assert made.max() > 255
    assert (made != made.round()).any()
    assert (made != IMAGES).any(3).any(2).any(1).sum() >= 5


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, lambda x: x),
        ({"brightness": torch.full((6,), 20.0)}, lambda x: x + 20.0),
        ({"brightness": torch.full((6,), -20.0)}, lambda x: (x - 20.0).clamp(0)),
        ({"order": torch.tensor([2, 0, 1]).expand(6, 3)}, lambda x: x[:, [2, 0, 1]]),
        ({"hue": torch.full((6,), 120.0)}, lambda x: x[:, [2, 0, 1]]),  # a third of the circle
        ({"contrast": torch.full((6,), 0.5)}, lambda x: x / 2),
    ],
)
def test_each_alone_is_its_closed_form(changes, expected):
    made = distort(IMAGES, plain(6, **changes))
    assert made.dtype == torch.float32
    assert (made - expected(IMAGES)).abs().max() < 1e-3  # float32 has gone through HSV


def test_grey_has_neither_hue_nor_saturation():
    grey = IMAGES[:, :1].expand(-1, 3, -1, -1)
    drawn = plain(6, hue=torch.full((6,), 18.0), saturation=torch.full((6,), 1.5))
    assert torch.equal(distort(grey, drawn), grey.float())


def test_draws_have_the_ranges_of_the_recipe_and_each_acts_half_the_time():
    drawn = draw_distortions(4000, torch.Generator().manual_seed(1))
    for name, none, low, high in (
        ("brightness", 0, -32, 32), ("contrast", 1, 0.5, 1.5), ("saturation", 1, 0.5, 1.5),
        ("hue", 0, -18, 18),
    ):  # fmt: skip
        values = getattr(drawn, name)
        acting = values[values != none]
        assert 0.47 < len(acting) / 4000 < 0.53
        span = high - low
        assert low <= acting.min() < low + 0.01 * span
        assert high - 0.01 * span < acting.max() <= high
        assert (acting.mean() - none).abs() < 0.02 * span
    assert 0.47 < drawn.first.float().mean() < 0.53
    moved = (drawn.order != torch.arange(3)).any(1).float().mean()
    assert 0.38 < moved < 0.45  # half the time, and of six orders one is as it was
    assert torch.equal(drawn.order.sort(1).values, torch.arange(3).expand(4000, 3))


def test_a_view_of_it_is_the_same_for_any_chunk_size(monkeypatch):
    whole = render((distortion,), IMAGES, Augment(), torch.Generator().manual_seed(3))
    monkeypatch.setattr("ltbench.data.augment.views.chunk_size", lambda images: 2)
    parts = render((distortion,), IMAGES, Augment(), torch.Generator().manual_seed(3))
    assert torch.equal(whole, parts)
    assert not torch.equal(whole, IMAGES)
