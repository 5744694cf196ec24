"""Networks of torchvision's and timm's: sizes, features, and what there is not, in one sentence."""

import sys
from types import ModuleType

import pytest
import torch
from sizes import parameters_in
from torch import nn
from torchvision import models

from ltbench.api.task import Task
from ltbench.engine.build import build as network_of
from ltbench.errors import UsageError
from ltbench.networks import Pretrained, check_network, create
from ltbench.registry.methods import build


@pytest.mark.parametrize(
    ("name", "encoder", "whole", "features"),
    [
        ("resnet50", 23_508_032, 25_557_032, 2048),
        ("resnet152", 58_143_808, 60_192_808, 2048),
        ("resnext50", 22_979_904, 25_028_904, 2048),
        ("torchvision:resnet18", 11_176_512, 11_689_512, 512),
        ("torchvision:vgg11", 128_766_336, 132_863_336, 4096),
        ("torchvision:vit_b_16", 85_798_656, 86_567_656, 768),
        ("torchvision:densenet121", 6_953_856, 7_978_856, 1024),
        ("torchvision:mobilenet_v3_small", 1_517_856, 2_542_856, 1024),
        ("torchvision:convnext_tiny", 27_820_128, 28_589_128, 768),
    ],
)
def test_parameters_are_as_many_as_published(name, encoder, whole, features):
    with torch.device("meta"):
        network = create(name, 3, 1000)
    assert (parameters_in(network.backbone), parameters_in(network)) == (encoder, whole)
    assert network.backbone.out_features == features


def test_logits_are_torchvisions_with_the_same_weights():
    theirs = models.resnet18(weights=None).eval().double()
    network = create("torchvision:resnet18", 3, 1000).eval().double()
    ours, state = network.backbone, theirs.state_dict()
    head = {"weight": state.pop("fc.weight"), "bias": state.pop("fc.bias")}
    ours.load_state_dict(dict(zip(ours.state_dict(), state.values(), strict=True)))
    network.classifier.load_state_dict(head)
    images = torch.rand(2, 3, 48, 40, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(network(images)["logits"], theirs(images), atol=1e-12)


def test_another_network_gives_what_its_last_layer_got():
    network = create("torchvision:mobilenet_v3_small", 3, 7).eval()
    found = network(torch.rand(2, 3, 64, 64))
    assert found["features"].shape == (2, 1024)
    assert found["logits"].shape == (2, 7)


def test_grey_images_are_three_equal_channels():
    network = create("torchvision:resnet18", 1, 5).eval()
    images = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(images)["logits"], network(images.repeat(1, 3, 1, 1))["logits"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("resnet51", "did you mean resnet56 or resnet50"),
        ("resnet18", "torchvision:resnet18"),
        ("torchvision:nothing", "torchvision has no classifier 'nothing'"),
        ("torchvision:fcn_resnet50", "torchvision has no classifier"),
        ("torchvision:googlenet", "has more outputs than one"),
        ("torchvision:squeezenet1_0", "does not end in a linear layer"),
    ],
)
@pytest.mark.filterwarnings("ignore:The default weight initialization of:FutureWarning")
def test_a_network_that_there_is_not_is_one_sentence(name, words):
    with pytest.raises(UsageError) as caught:
        check_network(name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_timm_is_asked_for_by_name_and_said_to_be_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=r"python -m pip install 'ltbench\[timm\]'"):
        check_network("timm:resnet18")


def test_a_network_of_timms_is_made_without_its_head_and_for_the_channels(monkeypatch):
    class Model(nn.Module):
        num_features = 6

        def __init__(self, channels):
            super().__init__()
            self.layer = nn.Conv2d(channels, 6, 3)

        def forward(self, images):
            return self.layer(images).mean((2, 3))

    def create_model(name, pretrained, num_classes, in_chans):
        assert (name, pretrained, num_classes) == ("small", False, 0)
        return Model(in_chans)

    timm = ModuleType("timm")
    timm.create_model, timm.is_model = create_model, lambda name: name == "small"
    timm.list_models = lambda pattern: ["small_patch"]
    monkeypatch.setitem(sys.modules, "timm", timm)
    assert create("timm:small", 1, 4)(torch.rand(2, 1, 8, 8))["logits"].shape == (2, 4)
    with pytest.raises(UsageError, match="timm has no network 'smal'; did you mean small_patch"):
        check_network("timm:smal")


def network_for(method, name):
    built = build(method)
    built.setup(Task(torch.tensor([9, 5, 2])))
    return network_of(built, name, 3, 3)


def test_bbn_has_two_last_blocks_of_a_resnet():
    network = network_for("bbn", "torchvision:resnet18")
    assert network.backbone.out_features == 2 * 512
    first, second = network.backbone.branches
    assert [p.shape for p in first.parameters()] == [p.shape for p in second.parameters()]
    assert not torch.equal(first.conv1.weight, second.conv1.weight)
    assert network.backbone(torch.rand(2, 3, 32, 32)).shape == (2, 1024)


@pytest.mark.parametrize(
    ("method", "name", "fit"),
    [
        ("ride", "torchvision:resnet18", "resnet8 or resnet32"),
        ("ride", "torchvision:mobilenet_v3_small", "resnet8 or resnet32"),
        ("bbn", "torchvision:mobilenet_v3_small", "resnet32 or resnet50"),
    ],
)
def test_a_method_that_needs_stages_says_so(method, name, fit):
    with pytest.raises(UsageError, match=rf"parts the residual stages of a network such as {fit}"):
        network_for(method, name)


def test_a_neck_maps_pooled_features_to_fewer_and_is_no_part_of_pretrained_weights():
    with torch.device("meta"):
        network = create("resnet50_neck", 3, 20)
    assert network.backbone.out_features == 256
    assert parameters_in(network.backbone.neck) == 2048 * 256 + 256 + 2 * 256
    assert parameters_in(network.classifier) == 256 * 20 + 20
    torch.manual_seed(0)
    network, theirs = create("resnet50_neck", 3, 20), models.resnet50(weights=None)
    neck = network.backbone.neck[0].weight.clone()
    Pretrained(theirs.state_dict(), "").put_into(network)
    assert torch.equal(network.backbone.stem[0].weight, theirs.conv1.weight)
    assert torch.equal(network.backbone.neck[0].weight, neck)
    images = torch.rand(2, 3, 32, 32)
    theirs.fc = nn.Identity()
    network.eval(), theirs.eval()
    expected = network.backbone.neck(theirs(images))
    assert torch.allclose(network(images)["features"], expected, atol=1e-5)
