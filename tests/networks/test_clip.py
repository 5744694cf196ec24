"""CLIP's encoders: what open_clip computes by the same weights, and what there is not."""

import copy
import sys

import open_clip
import pytest
import torch
from made_clip import shown_to_clip, their_clip, tiny_network
from sizes import parameters_in
from torchvision.transforms import v2

from ltbench.errors import LtbenchError, UsageError
from ltbench.networks import Pretrained, check_network, create, encoder_size, smallest_like
from ltbench.networks.clip import TINY, USUAL, resized

IMAGES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def test_the_usual_encoder_is_as_large_as_published():
    """85.8 million weights without the projection, of patches, places, norms and 12 blocks."""
    block = 4 * 768 * 768 + 4 * 768 + 2 * 4 * 768 * 768 + 5 * 768 + 4 * 768
    expected = 3 * 16 * 16 * 768 + 768 + 197 * 768 + 4 * 768 + 12 * block
    assert encoder_size(USUAL) == expected == 85_799_424
    with torch.device("meta"):
        backbone = create(USUAL, 3, 5).backbone
    assert (backbone.out_features, backbone.side, backbone.patch, backbone.depth) == (
        768, 224, 16, 12,
    )  # fmt: skip


@torch.no_grad()
def test_features_are_the_class_token_that_open_clip_projects():
    theirs, network = their_clip(), tiny_network()
    features = network(IMAGES)["features"]
    assert features.shape == (4, 32)
    expected = theirs.encode_image(shown_to_clip(IMAGES))
    assert torch.allclose(features @ theirs.visual.proj, expected, atol=1e-6)


@torch.no_grad()
def test_text_features_are_open_clips_of_unit_length():
    theirs, text = their_clip(), tiny_network().backbone.text
    read = open_clip.SimpleTokenizer(context_length=32)
    words = ["a photo of a cat.", "a photo of a maple tree."]
    found = text.features(words)
    assert torch.allclose(found, theirs.encode_text(read(words), normalize=True), atol=1e-6)
    assert torch.allclose(found.norm(dim=1), torch.ones(2))
    many = text.features(words * 150)  # more than are read at once
    assert torch.allclose(many, found.repeat(150, 1), atol=1e-6)


@torch.no_grad()
def test_images_of_another_size_are_brought_to_the_networks_own():
    small = torch.rand(2, 3, 12, 12)
    expected = v2.functional.resize(small, [32, 32], antialias=True)
    assert torch.allclose(resized(small, 32), expected, atol=1e-6)
    network = tiny_network()
    assert torch.equal(network(small)["logits"], network(resized(small, 32))["logits"])
    assert resized(IMAGES, 32) is IMAGES


@torch.no_grad()
def test_grey_images_are_three_equal_channels():
    network, grey = tiny_network(), torch.rand(2, 1, 32, 32)
    assert torch.equal(network(grey)["logits"], network(grey.repeat(1, 3, 1, 1))["logits"])


def test_the_text_tower_is_neither_trained_nor_kept_nor_copied():
    network = tiny_network()
    names = [name for name, _ in network.named_parameters()]
    assert {name.split(".")[0] for name in names} == {"backbone", "classifier"}
    assert not any("token_embedding" in name for name in (*names, *network.state_dict()))
    assert parameters_in(network.backbone) < parameters_in(network.backbone.text.model) / 10
    assert copy.deepcopy(network).backbone.text is network.backbone.text


@pytest.mark.parametrize("name", ["visual.proj", "text_projection", "visual.ln_post.weight"])
def test_weights_that_lack_a_part_are_refused(name):
    state = dict(their_clip().state_dict())
    del state[name]
    with pytest.raises(LtbenchError, match=f"the pretrained weights lack {name}; give those of"):
        Pretrained(state, "0" * 64).put_into(create(TINY, 3, 5))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("clip:ViT-B16", "open_clip has no network 'ViT-B16'; did you mean ViT-B-16 or"),
        ("clip:zebra", "open_clip has no network 'zebra'; clip:ViT-B-16-quickgelu is the usual"),
        ("clip:hf-hub:someone/something", "open_clip has no network 'hf-hub:someone/something'"),
        ("clip:RN50", "is not one vision transformer with a class token"),
        ("clip:ViT-B-16-SigLIP", "is not one vision transformer with a class token"),
        ("clip:coca_ViT-B-32", "is not one vision transformer with a class token"),
        ("clip:roberta-ViT-B-32", "is not one vision transformer with a class token"),
    ],
)
def test_a_network_that_there_is_not_is_one_sentence(name, words):
    with pytest.raises(UsageError) as caught:
        check_network(name)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_open_clip_is_asked_for_by_name_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "open_clip", None)
    with pytest.raises(UsageError, match=r"needs open_clip, which .* 'ltbench\[clip\]'` brings"):
        check_network(USUAL)


def test_methods_are_tried_on_the_smallest_network_of_the_kind():
    assert smallest_like(USUAL) == TINY
    assert smallest_like("resnet32") == smallest_like("torchvision:resnet18") == "resnet8"
