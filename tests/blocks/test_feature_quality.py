"""Feature quality against loops over its definition."""

import math

import pytest
import torch

from ltbench.blocks.feature_quality import feature_quality, resized_crops

TARGETS = torch.tensor([0, 0, 0, 1, 1, 3, 4, 4, 4, 4])


def features_of(seed=0, width=3):
    draw = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(len(TARGETS), width, generator=draw, dtype=torch.float64) + 1


def by_loops(features, targets, classes, beta):
    """Eq. 17-19 in Python floats; a class of one image has the variance pooled over the others."""
    rows = {
        c: [f for f, y in zip(features.tolist(), targets.tolist(), strict=True) if y == c]
        for c in range(classes)
    }
    rows = {c: r for c, r in rows.items() if r}
    centre = {c: [sum(column) / len(r) for column in zip(*r, strict=True)] for c, r in rows.items()}
    squares = {c: [math.dist(f, centre[c]) ** 2 for f in r] for c, r in rows.items()}
    several = [c for c in rows if len(rows[c]) > 1]
    pooled = sum(sum(squares[c]) for c in several) / sum(len(squares[c]) for c in several)
    distance = {c: min(math.dist(centre[c], centre[o]) for o in rows if o != c) for c in rows}
    variance = {c: sum(squares[c]) / len(squares[c]) if c in several else pooled for c in rows}
    return distance, variance, {c: distance[c] - beta * math.log(variance[c]) for c in rows}


@pytest.mark.parametrize("form", ["plain", "normalised"])
def test_distance_variance_and_quality_are_the_definition(form):
    features = features_of()
    found = feature_quality(features, TARGETS, 5, beta=0.7, form=form)
    if form == "normalised":
        features = features / features.norm(dim=1, keepdim=True)
    distance, variance, quality = by_loops(features, TARGETS, 5, 0.7)
    for c in (0, 1, 3, 4):
        assert found.distance[c] == pytest.approx(distance[c], rel=1e-12)
        assert found.variance[c] == pytest.approx(variance[c], rel=1e-12)
        assert found.quality[c] == pytest.approx(quality[c], rel=1e-10)
    assert all(term[2].isnan() for term in found)  # a class without features


def test_the_released_form_is_of_the_inverse_distance_and_the_log_of_the_variance():
    plain = feature_quality(features_of(), TARGETS, 5)
    code = feature_quality(features_of(), TARGETS, 5, form="release").quality
    torch.testing.assert_close(code, -1 / plain.distance - plain.variance.log(), equal_nan=True)


def test_identical_features_are_guarded_and_one_class_is_refused():
    features = torch.ones(4, 2)
    found = feature_quality(features, torch.tensor([0, 0, 1, 1]), 2)
    assert found.quality.isfinite().all()
    lonely = feature_quality(torch.eye(3), torch.arange(3), 3)  # no class has two
    assert lonely.quality.isfinite().all()
    with pytest.raises(ValueError, match="fewer than two"):
        feature_quality(features, torch.zeros(4, dtype=torch.int64), 2)


def test_classes_may_be_numbered_otherwise():
    order = torch.tensor([3, 0, 4, 2, 1])
    there = feature_quality(features_of(), order[TARGETS], 5).quality[order]
    here = feature_quality(features_of(), TARGETS, 5).quality
    torch.testing.assert_close(there, here, equal_nan=True)


def test_crops_are_boxes_of_the_image():
    rows = torch.linspace(-1, 1, 16).view(1, 1, 16, 1).expand(40, 1, 16, 16)
    images = torch.cat((rows, rows.transpose(2, 3)), 1).contiguous()
    crops = resized_crops(images, torch.Generator().manual_seed(0))
    assert crops.shape == images.shape
    assert crops.abs().max() <= 1
    inside = crops[:, 0, 2:-2, 8]  # of a linear ramp, crops are linear ramps of smaller slope
    slopes = inside.diff(dim=1)
    assert (slopes - slopes.mean(1, keepdim=True)).abs().max() < 2e-3
    share = slopes.mean(1) / (2 / 15)
    assert 0.3 < share.min() < share.max() <= 1.01
    again = resized_crops(images, torch.Generator().manual_seed(0))
    assert torch.equal(crops, again)
    assert not torch.equal(crops, resized_crops(images, torch.Generator().manual_seed(1)))
