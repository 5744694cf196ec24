"""The CIFAR ResNets against an explicit reference, their sizes and their shapes."""

import math

import pytest
import torch
import torch.nn.functional as F
from sizes import parameters_in
from torch import nn

from ltbench.errors import UsageError
from ltbench.networks import LinearClassifier, create
from ltbench.networks.resnet import BLOCKS, BasicBlock


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def shaken(module):
    """The module in float64, with batch-norm constants that do not hide a mistake."""
    module = module.double()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module


def option_a(images, channels, stride):
    """The shortcut of He et al., written out pixel by pixel: subsample, pad channels evenly."""
    count, given, height, width = images.shape
    rows, columns = range(0, height, stride), range(0, width, stride)
    result = torch.zeros(count, channels, len(rows), len(columns), dtype=images.dtype)
    skipped = (channels - given) // 2
    for c in range(given):
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                result[:, skipped + c, i, j] = images[:, c, row, column]
    return result


def test_the_resnet32_encoder_has_the_papers_463504_parameters():
    assert parameters_in(create("resnet32", 3, 10).backbone) == 463_504


@pytest.mark.parametrize("name", BLOCKS)
def test_a_network_has_the_layers_of_its_name_and_the_parameters_that_these_have(name):
    network, layers = create(name, 3, 10), int(name.removeprefix("resnet"))
    weighted = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(weighted) == layers
    n = (layers - 2) // 6  # blocks a stage, of two convolutions
    convolved = 9 * (3 * 16 + 2 * n * 16**2)
    for width in (32, 64):
        convolved += 9 * (width // 2 * width + (2 * n - 1) * width**2)
    normalised = 2 * (16 + 2 * n * (16 + 32 + 64))
    assert parameters_in(network.backbone) == convolved + normalised
    assert parameters_in(network.classifier) == 65 * 10


@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85),
     ("resnet110", 1.7)],
)  # fmt: skip
def test_the_parameters_are_as_many_as_he_et_al_print(name, millions):
    digits = 2 if millions < 1 else 1
    assert round(parameters_in(create(name, 3, 10)) / 1e6, digits) == millions


def test_shortcuts_have_no_parameters():
    network = create("resnet32", 3, 10)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(m.kernel_size == (3, 3) and m.bias is None for m in convolutions)
    counted = 9 * (3 * 16 + 10 * 16 * 16 + 16 * 32 + 9 * 32 * 32 + 32 * 64 + 9 * 64 * 64)
    assert sum(parameters_in(m) for m in convolutions) == counted
    normalised = 2 * (11 * 16 + 10 * 32 + 10 * 64)
    assert parameters_in(network.backbone) == counted + normalised


@pytest.mark.parametrize("side", [8, 28, 32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", BLOCKS)
def test_every_network_takes_every_image_size_and_gives_features_and_logits(name, channels, side):
    network = create(name, channels, 7)
    outputs = network(torch.randn(2, channels, side, side))
    assert set(outputs) == {"features", "logits"}
    assert outputs["features"].shape == (2, 64)
    assert outputs["logits"].shape == (2, 7)
    assert torch.equal(outputs["logits"], network.classifier(outputs["features"]))


@pytest.mark.parametrize("side", [8, 28, 32])
def test_the_three_stages_halve_the_maps_twice(side):
    network = create("resnet8", 3, 10)
    maps, shapes = network.backbone.conv1(torch.randn(1, 3, side, side)), []
    for stage in network.backbone.stages:
        maps = stage(maps)
        shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(16, side, side), (32, side // 2, side // 2), (64, side // 4, side // 4)]


@pytest.mark.parametrize(
    ("given", "channels", "stride"), [(16, 16, 1), (16, 32, 2), (32, 64, 2), (16, 32, 1)]
)
@pytest.mark.parametrize("side", [7, 8])
def test_a_block_without_residual_is_the_option_a_shortcut(given, channels, stride, side):
    block = BasicBlock(given, channels, stride).double()
    nn.init.zeros_(block.bn2.weight)  # and its bias is zero: nothing but the shortcut is left
    images = torch.randn(2, given, side, side, dtype=torch.float64)
    assert torch.equal(block(images), option_a(images, channels, stride).relu())


@pytest.mark.parametrize("name", BLOCKS)
def test_the_whole_network_equals_a_reference_written_from_the_paper(name):
    network = shaken(create(name, 3, 5)).eval()
    weights = network.state_dict()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)

    def normalised(maps, key):
        mean, variance, scale, shift = (
            weights[f"{key}.{part}"].view(1, -1, 1, 1)
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (maps - mean) / (variance + 1e-5).sqrt() * scale + shift

    def convolved(maps, key, stride=1):
        return F.conv2d(maps, weights[f"{key}.weight"], stride=stride, padding=1)

    maps = normalised(convolved(images, "backbone.conv1"), "backbone.bn1").relu()
    for stage, width in enumerate((16, 32, 64)):
        for block in range((int(name.removeprefix("resnet")) - 2) // 6):
            key = f"backbone.stages.{stage}.{block}"
            stride = 2 if stage and not block else 1
            inner = normalised(convolved(maps, f"{key}.conv1", stride), f"{key}.bn1").relu()
            inner = normalised(convolved(inner, f"{key}.conv2"), f"{key}.bn2")
            maps = (inner + option_a(maps, width, stride)).relu()
    features = maps.sum((2, 3)) / (maps.shape[2] * maps.shape[3])
    logits = features @ weights["classifier.weight"].T + weights["classifier.bias"]
    outputs = network(images)
    assert torch.allclose(outputs["features"], features, rtol=1e-12, atol=1e-12)
    assert torch.allclose(outputs["logits"], logits, rtol=1e-12, atol=1e-11)


def test_weights_are_kaiming_normal():
    network = create("resnet32", 3, 100)
    last = network.backbone.stages[2][4].conv2.weight.detach()
    assert float(last.std()) == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.02)
    kurtosis = float((last / last.std()).pow(4).mean())
    assert kurtosis == pytest.approx(3, abs=0.15)  # a uniform law has 1.8
    assert isinstance(network.classifier, LinearClassifier)
    spread = float(network.classifier.weight.detach().std())
    assert spread == pytest.approx(math.sqrt(2 / 64), rel=0.05)


def test_the_generator_decides_the_weights():
    networks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        networks.append(create("resnet8", 3, 10).state_dict())
    first, second, other = networks
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["backbone.conv1.weight"], other["backbone.conv1.weight"])


def test_an_unknown_network_is_refused_with_a_near_match():
    with pytest.raises(UsageError, match=r"unknown network 'resnet'; did you mean resnet"):
        create("resnet", 3, 10)
