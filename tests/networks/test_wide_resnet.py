"""Wide ResNets against an explicit reference, and as many parameters as the paper prints."""

import pytest
import torch
import torch.nn.functional as F
from sizes import parameters_in
from torch import nn

from ltbench import build
from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.networks.wide_resnet import WIDE, WideBackbone


@pytest.mark.parametrize(("name", "millions"), [("wrn40_2", 2.2), ("wrn28_10", 36.5)])
def test_it_has_the_layers_of_its_name_and_as_many_parameters_as_printed(name, millions):
    depth, k = WIDE[name]
    with torch.device("meta"):
        network = create(name, 3, 10)
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == depth
    assert len([m for m in convolutions if m.kernel_size == (1, 1)]) == 3
    n, before, counted = (depth - 4) // 6, 16, 27 * 16
    for width in (16 * k, 32 * k, 64 * k):
        counted += 9 * before * width + 9 * (2 * n - 1) * width**2 + before * width
        counted += 2 * before + 2 * (2 * n - 1) * width  # batch norms stand before convolutions
        before = width
    counted += 2 * before
    assert parameters_in(network.backbone) == counted
    assert network.backbone.out_features == 64 * k
    assert round(parameters_in(network) / 1e6, 1) == millions


def reference(backbone, images, n):
    """The forward pass by the paper's Figure 1, from the weights by name."""
    state = dict(backbone.state_dict())

    def normalised(maps, name):
        values = [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight")]
        mean, variance, weight = (value[:, None, None] for value in values)
        scaled = (maps - mean) / torch.sqrt(variance + 1e-5)
        return torch.clamp(scaled * weight + state[f"{name}.bias"][:, None, None], min=0)

    maps = F.conv2d(images, state["conv1.weight"], padding=1)
    for block in range(3 * n):
        stride, name = 2 if block in (n, 2 * n) else 1, f"blocks.{block}"
        active = normalised(maps, f"{name}.bn1")
        inner = F.conv2d(active, state[f"{name}.conv1.weight"], stride=stride, padding=1)
        inner = normalised(inner, f"{name}.bn2")
        inner = F.conv2d(inner, state[f"{name}.conv2.weight"], padding=1)
        if f"{name}.shortcut.weight" in state:
            maps = F.conv2d(active, state[f"{name}.shortcut.weight"], stride=stride)
        maps = inner + maps
    return normalised(maps, "bn").mean((2, 3))


@pytest.mark.parametrize(("depth", "k"), [(10, 2), (16, 3)])
def test_features_are_those_of_a_reference(depth, k):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        backbone = WideBackbone(3, depth, k).double().eval()
        for module in backbone.modules():
            if isinstance(module, nn.BatchNorm2d):
                for values in (module.weight, module.running_var):
                    nn.init.uniform_(values, 0.5, 1.5)
                for values in (module.bias, module.running_mean):
                    nn.init.uniform_(values, -0.5, 0.5)
        images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected = reference(backbone, images, (depth - 4) // 6)
    torch.testing.assert_close(backbone(images), expected, rtol=1e-10, atol=1e-10)
    assert backbone.out_features == expected.shape[1]


def test_what_parts_a_networks_stages_is_refused_in_words():
    from ltbench import Task

    for name in ("bbn", "ride"):
        method = build(name)
        method.setup(Task(torch.tensor([9, 3, 1])))
        with torch.device("meta"):
            network = create("wrn40_2", 3, 3)
        with pytest.raises(UsageError, match="parts the residual stages"):
            method.build(network)
