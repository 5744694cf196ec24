"""LIFT: nothing changes at first, what trains, where the classifier begins, what is predicted."""

import math

import pytest
import torch
import torch.nn.functional as F
from made_clip import COUNTS, NAMES, made, their_clip, tiny_network
from made_methods import losses_of
from torchvision.transforms import v2

from ltbench import Batch, Clock, Step
from ltbench.api.recipe import Recipe
from ltbench.api.task import Task
from ltbench.engine.train import optimiser_for
from ltbench.errors import UsageError
from ltbench.networks import create
from ltbench.networks.clip import USUAL
from ltbench.registry.methods import build

RECIPE = Recipe(epochs=2, batch_size=8, learning_rate=0.1, weight_decay=5e-4)
IMAGES = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(3))
TARGETS = torch.tensor([0, 1, 2, 0, 1, 2])


def stepped(specification):
    """A method, its network with what trains chosen, and the first step, gradients filled."""
    method, network = made(specification)
    (stage,) = method.stages(RECIPE)
    optimiser = optimiser_for(network, stage)
    step = Step(method, network, Batch((IMAGES,), TARGETS, TARGETS), Clock("train", 0, 2, 0, 2))
    method.backward(step)
    return network, optimiser


@torch.no_grad()
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("half", [True, False])
def test_adapters_change_no_bit_at_first(training, half):
    _, network = made("lift")
    plain = tiny_network().train(training).backbone
    assert len(network.backbone.adapters) == 2
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        found, expected = network.train(training).backbone(IMAGES), plain(IMAGES)
    assert found.dtype == expected.dtype == (torch.bfloat16 if half else torch.float32)
    assert torch.equal(found, expected)


@torch.no_grad()
def test_an_adapter_adds_its_formula_beside_the_mlp():
    """h + MLP(LN h) + s (U relu(D LN_a h + b_D) + b_U), every part drawn at random."""
    _, network = made("lift(width=4)")
    adapter = network.backbone.adapters[0]
    for parameter in adapter.parameters():
        parameter.normal_()
    adapted = network.backbone.model.transformer.resblocks[0]
    block, tokens = adapted.block, torch.randn(2, 17, 32)
    normed = block.ln_1(tokens)
    h = tokens + block.attn(normed, normed, normed, need_weights=False)[0]
    own = (h - h.mean(-1, keepdim=True)) / (h.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    own = own * adapter.norm.weight + adapter.norm.bias
    hidden = (own @ adapter.down.weight.T + adapter.down.bias).clamp(min=0)
    added = adapter.scale * (hidden @ adapter.up.weight.T + adapter.up.bias)
    expected = h + block.mlp(block.ln_2(h)) + added
    assert torch.allclose(adapted(tokens), expected, atol=1e-5)
    assert torch.allclose(adapter(h), added, atol=1e-4)


@pytest.mark.parametrize(
    ("classes", "width", "trained"),
    [(100, 4, 101_436), (365, 8, 175_212), (1000, 32, 617_868), (8142, 256, 4_749_324)],
)
def test_adapters_are_as_large_as_the_papers(classes, width, trained):
    with torch.device("meta"):
        network = create(USUAL, 3, classes)
    from ltbench.methods.lift import AdaptFormer, bottleneck

    method = build("lift")
    assert bottleneck(classes, 12) == width
    network.backbone.adapt(AdaptFormer(768, width) for _ in range(12))
    (stage,) = method.stages(RECIPE)
    optimiser = optimiser_for(network, stage)
    counts = sum(p.numel() for group in optimiser.param_groups for p in group["params"])
    assert counts - sum(p.numel() for p in network.classifier.parameters()) == trained


@pytest.mark.parametrize(("classes", "width"), [(10, 1), (24, 1), (47, 1), (48, 2), (100, 4)])
def test_the_width_of_adapters_goes_by_the_classes(classes, width):
    from ltbench.methods.lift import bottleneck

    assert bottleneck(classes, 12) == width


@torch.no_grad()
def test_the_classifier_begins_at_what_clip_says_of_the_classes():
    _, network = made("lift")
    theirs, head = their_clip(), network.classifier
    text = tiny_network().backbone.text
    for row, words in enumerate(["maple tree", "cat", "sweet pepper"]):
        (feature,) = text.features([f"a photo of a {words}."])
        back = theirs.visual.proj @ feature  # [D, E] times [E]
        assert torch.allclose(head.weight[row], back / back.norm(), atol=1e-6)
    features, logits = (network(IMAGES)[name] for name in ("features", "logits"))
    cosines = F.cosine_similarity(features[:, None], head.weight[None], dim=2)
    assert torch.allclose(logits, 25 * cosines, atol=1e-4)


def test_the_loss_is_the_cross_entropy_of_the_logits_plus_tau_log_prior():
    method, _ = made("lift(tau=2)")
    logits = torch.randn(6, 3, dtype=torch.float64)
    weighted = logits.exp() * (torch.tensor(COUNTS) / sum(COUNTS)) ** 2
    expected = -(weighted[torch.arange(6), TARGETS] / weighted.sum(1)).log()
    assert torch.allclose(losses_of(method, logits, TARGETS), expected, atol=1e-6)


def test_only_adapters_and_classifier_move_and_the_first_gradient_reaches_what_is_zero():
    network, optimiser = stepped("lift(width=4)")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    gradients = {n: p.grad for n, p in network.named_parameters() if p.requires_grad}
    reached = {n for n, gradient in gradients.items() if gradient.abs().sum() > 0}
    ups = {n for n in gradients if n.startswith("backbone.adapters.") and ".up." in n}
    assert reached == {*ups, "classifier.weight"}
    assert len(ups) == 4
    optimiser.step()
    moved = {n for n, t in network.state_dict().items() if not torch.equal(t, before[n])}
    assert moved >= reached
    assert all(n.startswith(("backbone.adapters.", "classifier.")) for n in moved)


@torch.no_grad()
def test_small_images_are_predicted_by_their_middle():
    method, network = made("lift")
    small = torch.rand(3, 3, 8, 8)
    large = v2.functional.resize(small, [37, 37], antialias=True)  # 32 and a seventh
    expected = network(large[..., 2:34, 2:34])["logits"]
    assert torch.allclose(method.predict(network, small), expected, atol=1e-5)
    assert torch.equal(method.predict(network, IMAGES), network(IMAGES)["logits"])


@torch.no_grad()
def test_the_sizes_are_the_papers_at_224_pixels():
    class Known:
        side, patch = 224, 16

    small = torch.rand(1, 3, 32, 32)
    (middle,) = build("lift").crops(Known, small)
    large = v2.functional.resize(small, [256, 256], antialias=True)
    assert torch.allclose(middle, v2.functional.center_crop(large, [224, 224]), atol=1e-6)
    larger = v2.functional.resize(small, [248, 248], antialias=True)
    crops = [*build("lift@tte").crops(Known, small)]
    expected = v2.functional.five_crop(larger, [224, 224])
    for crop, wanted in zip(crops, expected, strict=True):
        assert torch.allclose(crop, wanted, atol=1e-6)
    Known.patch = 14
    assert next(build("lift@tte").crops(Known, torch.zeros(1, 3, 245, 245))).shape[-1] == 224


@torch.no_grad()
def test_ensembled_logits_are_the_mean_over_five_crops():
    method, network = made("lift@tte")
    large = v2.functional.resize(IMAGES, [44, 44], antialias=True)  # 32 and 3/2 of a patch of 8
    crops = v2.functional.five_crop(large, [32, 32])
    expected = sum(network(crop)["logits"] for crop in crops) / 5
    found = method.predict(network, IMAGES)
    assert torch.allclose(found, expected, atol=1e-4)
    assert not torch.allclose(found, network(IMAGES)["logits"], atol=1e-4)


@torch.no_grad()
def test_ensembling_an_image_of_one_colour_is_plain_prediction():
    images = torch.tensor([0.1, 0.5, 0.9]).view(3, 1, 1, 1).expand(3, 3, 32, 32)
    method, network = made("lift@tte")
    found, plain = method.predict(network, images), build("lift").predict(network, images)
    assert torch.allclose(found, plain, atol=1e-4)


def test_more_decomposes_the_maps_of_the_adapters_alone():
    _, network = made("lift(width=16)+more")
    parts = {n for n, _ in network.named_parameters() if n.endswith(".0.U")}
    assert parts == {
        f"backbone.adapters.{block}.{name}.parametrizations.weight.0.U"
        for block in range(2) for name in ("down", "up")
    }  # fmt: skip
    shapes = [p.shape for n, p in network.named_parameters() if n in parts]
    assert sorted(map(tuple, shapes)) == [(16, 2), (16, 2), (32, 2), (32, 2)]  # a tenth of 16


def test_more_on_it_has_gradients_in_what_trains_and_merges_to_the_full_network():
    method, network = made("lift+more(amplitude=0.5)")
    with torch.no_grad():
        for parameter in network.backbone.adapters.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    (stage,) = method.stages(RECIPE)
    optimiser_for(network, stage)
    step = Step(method, network, Batch((IMAGES,), TARGETS, TARGETS), Clock("train", 1, 3, 0, 1))
    method.backward(step)
    assert step.logged["discrepancy_medium"] > 0
    trained = [p for p in network.parameters() if p.requires_grad]
    assert all(p.grad is not None for p in trained)
    assert all(math.isfinite(p.grad.norm()) for p in trained)
    with torch.no_grad():
        full = network(IMAGES)["logits"]
        method.finalize(network)
        assert torch.allclose(network(IMAGES)["logits"], full, atol=1e-5)
    assert not any("parametrizations" in name for name in network.state_dict())


def test_it_is_a_base_and_no_modifier():
    with pytest.raises(UsageError, match="lift cannot modify ce: it brings its own"):
        build("ce+lift")


def test_another_network_and_classes_without_names_are_refused_in_one_sentence():
    method = build("lift")
    method.setup(Task(torch.tensor(COUNTS), class_names=NAMES))
    with pytest.raises(UsageError, match="needs a network of CLIP's, such as --network clip:ViT"):
        method.build(create("resnet8", 3, 3))
    with pytest.raises(UsageError, match="none for this data set; prepare iNaturalist 2018 with"):
        made("lift", names=())
