"""GCL by closed form: clouds, both stages' losses, recipes, and the controls."""

import math

import pytest
import torch
import torch.nn.functional as F
from made_methods import COUNTS, bound, losses_of

from ltbench import Batch, Clock, Recipe, build
from ltbench.errors import UsageError
from ltbench.networks import CosineClassifier, create

FIRST, SECOND = Clock("representation", 3, 200, 2), Clock("classifier", 3, 30, 2)


def gcl(parameters="", counts=COUNTS):
    return bound(f"gcl({parameters})", counts)


def cosine_losses(method, cosines, targets, clock, scale=30.0):
    return losses_of(method, scale * cosines, targets, clock)


def random_cosines(images=16):
    draw = torch.Generator().manual_seed(0)
    cosines = 2 * torch.rand(images, 5, generator=draw, dtype=torch.float64) - 1
    return cosines, torch.randint(5, (images,), generator=draw)


def test_cloud_sizes_run_from_zero_at_the_head_to_one_at_the_tail():
    expected = [math.log(500 / n) / math.log(500) for n in COUNTS.tolist()]
    assert gcl().clouds.tolist() == pytest.approx(expected, rel=1e-6)
    assert gcl(counts=torch.tensor([100, 10, 1])).clouds.tolist() == pytest.approx([0, 0.5, 1])
    assert gcl(counts=torch.full((3,), 37)).clouds.tolist() == [0, 0, 0]


def noise_in(method, clock, images=4000):
    """The draws |e|, read off the losses of two classes with clouds of size 0 and 1."""
    cosines, targets = torch.zeros(images, 2).double(), torch.zeros(images, dtype=torch.int64)
    surprise = cosine_losses(method, cosines, targets, clock)
    # -log p_0 = log(1 + e^{-s noise e}), so e = -log(e^{loss} - 1) / (s noise)
    return -surprise.expm1().log() / (30 * 0.5)


def test_the_noise_is_half_normal_of_deviation_a_third_within_one():
    draws = noise_in(gcl(counts=torch.tensor([9, 1])), FIRST)
    assert draws.min() >= -1e-9
    assert draws.max() <= 1 + 1e-6
    assert draws.mean().item() == pytest.approx(math.sqrt(2 / math.pi) / 3, rel=0.03)
    assert draws.square().mean().sqrt().item() == pytest.approx(1 / 3, rel=0.03)
    assert draws.unique().numel() > 3900  # a draw for every image


def test_a_step_has_its_own_noise_and_the_same_step_the_same():
    method = gcl(counts=torch.tensor([9, 1]))
    first, again = noise_in(method, FIRST, 8), noise_in(method, FIRST, 8)
    assert torch.equal(first, again)
    assert not torch.equal(first, noise_in(method, Clock("representation", 3, 200, 3), 8))


def test_clouds_lower_all_logits_and_not_only_the_targets():
    """A tail class that is not the target gets less probable: the loss falls."""
    method, control = (gcl(p, torch.tensor([9, 1])) for p in ("", "noise=0.0"))
    cosines, targets = torch.zeros(64, 2).double(), torch.zeros(64, dtype=torch.int64)
    pair = [cosine_losses(m, cosines, targets, FIRST) for m in (method, control)]
    assert (pair[0] <= pair[1]).all()
    tail = [cosine_losses(m, cosines, 1 - targets, FIRST) for m in (method, control)]
    assert (tail[0] >= tail[1]).all()


@pytest.mark.parametrize("control", ["noise", "counts"])
def test_without_clouds_the_first_stage_is_cross_entropy_on_cosines(control):
    method = gcl("noise=0.0") if control == "noise" else gcl(counts=torch.full((5,), 37))
    cosines, targets = random_cosines()
    expected = F.cross_entropy(30 * cosines, targets, reduction="none")
    assert torch.allclose(
        cosine_losses(method, cosines, targets, FIRST), expected, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize(
    ("parameters", "scale", "margin", "gamma"),
    [("", 20, 0.1, 1), (", margin=0.3, classifier_scale=7.0, gamma=2.0", 7, 0.3, 2)],
)  # fmt: skip
def test_the_second_stage_has_margin_scale_and_focal_factor(parameters, scale, margin, gamma):
    cosines, targets = random_cosines()
    lowered = cosines.clone()
    lowered[torch.arange(16), targets] -= margin
    surprise = F.cross_entropy(scale * lowered, targets, reduction="none")
    expected = (1 - (-surprise).exp()) ** gamma * surprise
    found = cosine_losses(gcl(f"noise=0.0{parameters}"), cosines, targets, SECOND)
    assert torch.allclose(found, expected, rtol=0, atol=1e-9)


def test_the_focal_factor_takes_no_gradient():
    cosines, targets = random_cosines(1)
    cosines.requires_grad_()
    method = gcl("noise=0.0, margin=0.0")
    (ours,) = torch.autograd.grad(cosine_losses(method, cosines, targets, SECOND).sum(), cosines)
    surprise = F.cross_entropy(20 * cosines, targets)
    (plain,) = torch.autograd.grad(surprise, cosines)
    assert torch.allclose(ours, (1 - (-surprise).exp()).detach() * plain, rtol=1e-9)


def test_the_recipes_are_the_official_ones_under_the_protocol_of_the_field():
    first, second = gcl().stages(Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5))
    assert (first.recipe.epochs, first.recipe.batch_size, first.sampler) == (
        200, 64, "instance_balanced",
    )  # fmt: skip
    rates = [first.recipe.learning_rate_at(e) for e in (4, 159, 160, 180)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.001])
    assert (second.recipe.epochs, second.recipe.batch_size) == (30, 64)
    rates = [second.recipe.learning_rate_at(e) for e in (0, 15, 29)]
    assert rates == pytest.approx([0.001 * (1 + math.cos(math.pi * e / 30)) for e in (0, 15, 29)])
    assert (second.sampler, second.trainable) == ("class_balanced", ("classifier.",))
    assert second.reset == ()  # it continues
    assert second.evaluating == ("backbone",)


def test_images_are_mixed_in_both_stages_unless_alpha_is_zero():
    images = torch.randn(6, 3, 4, 4)
    batch = Batch((images,), torch.tensor([0, 1, 2, 3, 4, 0]), torch.arange(6))
    for clock in (FIRST, SECOND):
        mixed = gcl().mix(batch, clock)
        assert not torch.equal(mixed.images, images)
        assert 0 < mixed.mix_ratio[0] < 1
        plain = gcl("alpha=0.0").mix(batch, clock)
        assert torch.equal(plain.images, images)
        assert set(plain.mix_ratio.tolist()) == {1.0}


def test_the_head_is_a_cosine_of_the_first_scale():
    network = gcl("scale=12.0").build(create("resnet8", 3, 5))
    assert isinstance(network.classifier, CosineClassifier)
    assert network.classifier.scale == 12


def test_a_second_way_of_mixing_is_refused():
    with pytest.raises(UsageError, match=r"two ways of mixing images.*gcl and mixup; keep one"):
        build("gcl+mixup")
