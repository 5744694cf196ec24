"""Weights that training begins from: by torchvision's names, whole, or refused in one sentence."""

import pytest
import torch
from torchvision import models

from ltbench.errors import LtbenchError
from ltbench.networks import Pretrained, create


@pytest.fixture
def theirs():
    torch.manual_seed(0)
    model = models.resnet18(weights=None)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    return model.eval()


def begun(name, state):
    network = create(name, 3, 5)
    Pretrained(state, "0" * 64).put_into(network)
    return network.eval()


def features_of(model, images):
    model.fc = torch.nn.Identity()
    return model(images)


def test_features_are_those_of_the_other_training_and_the_head_is_new(theirs):
    network = create("torchvision:resnet18", 3, 5)
    head = network.classifier.weight.clone()
    Pretrained(theirs.state_dict(), "0" * 64).put_into(network)
    images = torch.rand(2, 3, 40, 40)
    with torch.no_grad():
        found, expected = network.eval()(images)["features"], features_of(theirs, images)
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.equal(network.classifier.weight, head)


def test_other_backbones_and_names_of_parallel_training_are_understood(theirs):
    state = {f"module.{name}": tensor for name, tensor in theirs.state_dict().items()}
    state = {name: t for name, t in state.items() if not name.endswith("num_batches_tracked")}
    found = begun("torchvision:resnet18", state).backbone.stem[0].weight
    assert torch.equal(found, theirs.conv1.weight)
    other = models.mobilenet_v3_small(weights=None).state_dict()
    first = begun("torchvision:mobilenet_v3_small", other).backbone.model.features[0][0].weight
    assert torch.equal(first, other["features.0.0.weight"])


def test_a_small_networks_own_names_are_torchvisions_too():
    given = create("resnet8", 3, 7)
    state = {
        name.replace("backbone.", "").replace("stages.0", "layer1").replace("stages.1", "layer2")
        .replace("stages.2", "layer3"): tensor
        for name, tensor in given.state_dict().items()
    }  # fmt: skip
    network = begun("resnet8", state)
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(network(images)["features"], given.eval()(images)["features"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("layer2.0.bn1.weight"), "weights lack layer2.0.bn1.weight"),
        (lambda s: s.update({"conv1.weight": torch.zeros(3)}), r"conv1.weight is \[3\] in"),
        (lambda s: s["bn1.bias"].fill_(float("nan")), "bn1.bias of the pretrained weights is no"),
    ],
)
def test_what_does_not_fit_is_named(theirs, change, words):
    state = dict(theirs.state_dict())
    change(state)
    with pytest.raises(LtbenchError, match=words) as caught:
        begun("torchvision:resnet18", state)
    assert "\n" not in str(caught.value)
