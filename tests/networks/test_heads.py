"""Classifiers: the cosine head's bound, invariance and precision; the linear head's start."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ltbench.networks import CosineClassifier, LinearClassifier
from ltbench.networks.heads import NormalClassifier


@pytest.fixture(autouse=True, scope="module")
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def head(scale=30.0):
    return CosineClassifier(64, 10, scale)


def features(count=16):
    return torch.randn(count, 64)


def test_cosine_logits_are_the_scaled_cosines():
    layer, given_features = head(7.0).double(), features().double()
    weights, found = layer.weight.detach(), layer(given_features).detach()
    for i, feature in enumerate(given_features):
        for c, weight in enumerate(weights):
            cosine = (feature @ weight) / (feature.norm() * weight.norm())
            assert float(found[i, c]) == pytest.approx(7.0 * float(cosine), abs=1e-12)


@given(scale=st.floats(0.1, 100), size=st.floats(1e-3, 1e6))
@settings(max_examples=50)
def test_cosine_logits_are_bounded_by_the_scale_and_ignore_the_features_length(scale, size):
    layer, given_features = head(scale).double(), features().double()
    logits = layer(given_features).detach()
    assert float(logits.abs().max()) <= scale * (1 + 1e-12)
    assert torch.allclose(layer(size * given_features), logits, rtol=0, atol=1e-12 * scale)


def test_a_feature_along_a_class_weight_reaches_the_bound():
    layer = head().double()
    assert torch.allclose(layer(5 * layer.weight).diagonal(), torch.tensor(30.0).double())
    assert torch.allclose(layer(-layer.weight).diagonal(), torch.tensor(-30.0).double())


def test_cosine_logits_ignore_the_length_of_the_class_weights():
    layer, given_features = head().double(), features().double()
    before = layer(given_features)
    with torch.no_grad():
        layer.weight.mul_(torch.linspace(0.1, 9, 10).view(-1, 1))
    assert torch.allclose(layer(given_features), before, rtol=0, atol=1e-12)


def test_a_zero_feature_gives_zero_logits_and_finite_gradients():
    layer, feature = head(), torch.zeros(1, 64, requires_grad=True)
    logits = layer(feature)
    logits.sum().backward()
    assert torch.equal(logits, torch.zeros(1, 10))
    assert feature.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


def test_the_cosine_head_has_unit_rows_at_the_start_and_no_bias():
    layer = head()
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert layer.weight.shape == (10, 64)
    assert torch.allclose(layer.weight.norm(dim=1), torch.ones(10), rtol=0, atol=1e-6)
    assert (layer.weight < 0).any()
    assert (layer.weight > 0).any()


@pytest.mark.parametrize("layer", [head(), LinearClassifier(64, 10)], ids=["cosine", "linear"])
def test_resetting_draws_new_weights_from_the_global_generator(layer):
    drawn = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        layer.reset_parameters()
        drawn.append(layer.weight.detach().clone())
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_the_cosine_head_computes_in_float32_under_bfloat16_autocast():
    layer, given_features = head(), features().bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        logits = layer(given_features)
        rounded = 30 * F.linear(F.normalize(given_features), F.normalize(layer.weight))
    assert logits.dtype == torch.float32
    assert torch.equal(logits, layer(given_features.float()))
    assert rounded.dtype == torch.bfloat16  # what it would be otherwise
    assert not torch.equal(logits, rounded.float())


def test_gradients_pass_through_the_cosine_head_under_bfloat16_autocast():
    layer, given_features = head(), features().bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        layer(given_features).square().sum().backward()
    assert given_features.grad.dtype == torch.bfloat16
    assert layer.weight.grad.dtype == torch.float32
    assert float(layer.weight.grad.abs().sum()) > 0


def test_the_linear_head_is_a_linear_map_with_bias_and_kaiming_normal_weights():
    layer = LinearClassifier(64, 1000)
    given_features = features()
    expected = given_features @ layer.weight.T + layer.bias
    assert torch.allclose(layer(given_features), expected, atol=1e-5)
    assert float(layer.weight.detach().std()) == pytest.approx((2 / 64) ** 0.5, rel=0.02)
    assert float(layer.bias.detach().abs().max()) <= 1 / 8


def test_linear_logits_are_float32_under_bfloat16_autocast_so_that_they_do_not_tie():
    torch.manual_seed(0)
    head, features = LinearClassifier(64, 100), torch.randn(500, 64)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(features.bfloat16())
    assert logits.dtype == torch.float32
    assert torch.equal(logits, head(features.bfloat16().float()))
    top = logits.topk(2, dim=1).values
    assert (top[:, 0] > top[:, 1]).all()
    tied = logits.bfloat16().topk(2, dim=1).values
    assert (tied[:, 0] == tied[:, 1]).any()  # the fault that this guards against


def test_the_classifier_behind_a_neck_begins_small_and_without_bias():
    head = NormalClassifier(256, 400)
    assert float(head.weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    assert not head.bias.any()
