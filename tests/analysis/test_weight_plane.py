"""Planes of weights: points on them recovered, batch statistics made anew, nothing left changed."""

import pytest
import torch
import torch.nn.functional as F
from made_runs import data, resnet, sample
from torch import nn

from ltbench.analysis.directions import dot
from ltbench.analysis.weight_plane import (
    at_places,
    less,
    project,
    renew,
    side,
    statistics_images,
    through,
    weights_of_all,
)


def named(rows):
    return [{"a": row[:4].view(2, 2), "b": row[4:]} for row in rows]


def draws(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_plane_through_three_points_holds_them():
    origin, first, second = named(draws(3, 9))
    axes = through(origin, first, second)
    assert dot(*axes) == pytest.approx(0, abs=1e-12)
    for point in (first, second):
        row = {name: point[name] - origin[name] for name in point}
        assert project(row, axes)[2] < 1e-7
    x, y, _ = project({name: first[name] - origin[name] for name in first}, axes)
    assert (x > 0, y) == (True, pytest.approx(0, abs=1e-12))


def test_three_points_on_a_line_span_no_plane():
    origin, first = named(draws(2, 9))
    second = {name: 2 * first[name] - origin[name] for name in first}
    for other in (second, origin, first):
        with pytest.raises(ValueError, match="on a line"):
            through(origin, first, other)


def test_a_side_holds_all_values_with_its_margin():
    assert side([0.0, 4.0, 1.0], 0.25, 3) == [-1.0, 2.0, 5.0]


def test_at_a_place_statistics_are_those_of_its_weights_and_all_is_given_back():
    network = resnet()
    before = {name: t.clone() for name, t in network.state_dict().items()}
    base, images = weights_of_all(network), statistics_images(data(), 20, seed=0)
    assert len(images) == 5 * 4
    twice = less({name: 2 * w for name, w in base.items()}, base)
    norm = next(name for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d))

    def first_mean(moved):
        return moved.state_dict()[f"{norm}.running_mean"].clone()

    here, there = at_places(network, [(base, ()), (base, ((1.0, twice),))], images, first_mean)
    torch.testing.assert_close(there, 2 * here)  # of a convolution with twice the weights
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


def test_batch_statistics_are_those_of_all_images_though_they_lie_class_by_class(monkeypatch):
    """Four batches of images that differ by class most: batches of one class vary by less."""
    monkeypatch.setattr("ltbench.analysis.weight_plane.CHUNK", 10)
    network, made = resnet(torch.float64), sample("train", 8, dtype=torch.float64)
    made.images.mul_(0.1).add_(made.labels.view(-1, 1, 1, 1))
    renew(network, made.images)
    first = F.conv2d(made.images, network.backbone.conv1.weight, padding=1)
    norm = next(part for part in network.modules() if isinstance(part, nn.BatchNorm2d))
    torch.testing.assert_close(norm.running_mean, first.mean((0, 2, 3)), rtol=1e-9, atol=1e-12)
    variance = first.var((0, 2, 3), correction=0)
    torch.testing.assert_close(norm.running_var, variance, rtol=0.03, atol=0)
    assert not network.training
