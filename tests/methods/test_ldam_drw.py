"""LDAM-DRW by closed form: margins, deferred weights, and the cosine head."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from made_methods import COUNTS, bound, losses_of

from ltbench import Clock
from ltbench.networks import CosineClassifier, create

EARLY, LATE = Clock("train", 159, 200), Clock("train", 160, 200)


def ldam_drw(parameters="", counts=COUNTS):
    return bound(f"ldam_drw({parameters})", counts)


def cosines(seed=0, images=24):
    draw = torch.Generator().manual_seed(seed)
    logits = 30 * (2 * torch.rand(images, 5, generator=draw, dtype=torch.float64) - 1)
    return logits, torch.randint(5, (images,), generator=draw)


def lowered(logits, targets, max_margin=0.5, scale=30.0, counts=COUNTS):
    """The logits of Eq. 13, element by element."""
    result = logits.clone()
    largest = max(n**-0.25 for n in counts.tolist())
    for i, y in enumerate(targets.tolist()):
        result[i, y] -= scale * max_margin * counts[y].item() ** -0.25 / largest
    return result


def effective_weights(counts=COUNTS, beta=0.9999):
    """(1 - beta) / (1 - beta^n), scaled so that they add up to the number of classes."""
    raw = [(1 - beta) / (1 - beta**n) for n in counts.tolist()]
    return torch.tensor([len(raw) * w / sum(raw) for w in raw], dtype=torch.float64)


def test_margins_are_proportional_to_the_fourth_root_of_the_rarity():
    margins = ldam_drw().margins.double()
    expected = torch.tensor([0.5 * (1 / n) ** 0.25 for n in COUNTS.tolist()], dtype=torch.float64)
    assert torch.allclose(margins, expected, rtol=1e-6)


@given(
    counts=st.lists(st.integers(1, 5000), min_size=2, max_size=30).map(torch.tensor),
    max_margin=st.floats(0.01, 2),
)
def test_the_rarest_class_has_the_largest_margin_which_is_the_one_asked_for(counts, max_margin):
    margins = ldam_drw(f"max_margin={max_margin!r}", counts).margins
    assert margins[counts.argmin()].item() == pytest.approx(max_margin, rel=1e-6)
    assert margins.max().item() == pytest.approx(max_margin, rel=1e-6)
    assert (margins > 0).all()
    by_count = margins[counts.argsort()]
    assert (by_count.diff() <= 0).all()


def test_hand_values_of_the_margins():
    assert ldam_drw(counts=torch.tensor([16, 1])).margins.tolist() == [0.25, 0.5]
    assert ldam_drw(counts=torch.tensor([5000, 50])).margins.tolist() == pytest.approx(
        [0.5 / math.sqrt(10**0.5 * 10**0.5), 0.5], rel=1e-6
    )


@given(seed=st.integers(0, 2**31), epoch=st.integers(0, 159))
def test_before_the_deferral_the_loss_is_cross_entropy_with_the_target_lowered(seed, epoch):
    logits, targets = cosines(seed)
    found = losses_of(ldam_drw(), logits, targets, Clock("train", epoch, 200))
    expected = F.cross_entropy(lowered(logits, targets), targets, reduction="none")
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)


def test_a_hand_value_before_the_deferral():
    """Two classes with 16 and 1 images, scale 4, equal logits: lowered by 1 and by 2."""
    method = ldam_drw("scale=4", torch.tensor([16, 1]))
    found = losses_of(method, torch.zeros(2, 2).double(), torch.tensor([0, 1]), EARLY)
    assert found.tolist() == pytest.approx([math.log(1 + math.e), math.log(1 + math.e**2)])


def test_the_weights_begin_at_zero_based_epoch_160_of_200():
    logits, targets = cosines()
    method = ldam_drw()
    plain = F.cross_entropy(lowered(logits, targets), targets, reduction="none")
    assert torch.allclose(losses_of(method, logits, targets, EARLY), plain, rtol=0, atol=1e-5)
    assert not torch.allclose(losses_of(method, logits, targets, LATE), plain, rtol=0, atol=1e-2)


@pytest.mark.parametrize(("epochs", "first"), [(200, 160), (60, 48), (30, 24), (10, 8), (5, 4)])
def test_the_deferral_scales_with_the_length_of_training(epochs, first):
    logits, targets = cosines()
    method = ldam_drw()
    plain = losses_of(method, logits, targets, EARLY)
    weighted = [
        not torch.equal(losses_of(method, logits, targets, Clock("train", e, epochs)), plain)
        for e in range(epochs)
    ]
    assert weighted == [e >= first for e in range(epochs)]


@given(seed=st.integers(0, 2**31))
def test_after_it_the_mean_of_the_losses_is_the_frameworks_weighted_mean(seed):
    logits, targets = cosines(seed)
    found = losses_of(ldam_drw(), logits, targets, LATE).mean()
    weight = effective_weights()
    expected = F.cross_entropy(lowered(logits, targets), targets, weight=weight, reduction="mean")
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_after_it_the_gradient_is_the_frameworks_too():
    logits, targets = cosines()
    logits.requires_grad_()
    losses_of(ldam_drw(), logits, targets, LATE).mean().backward()
    ours, logits.grad = logits.grad, None
    weight, shifted = effective_weights(), lowered(logits, targets)
    F.cross_entropy(shifted, targets, weight=weight, reduction="mean").backward()
    assert torch.allclose(ours, logits.grad, rtol=0, atol=1e-6)


def test_the_effective_number_weights_add_up_to_the_number_of_classes():
    weights = ldam_drw().weights.double()
    assert weights.sum().item() == pytest.approx(5, rel=1e-6)
    assert torch.allclose(weights, effective_weights(), rtol=1e-5)


def test_hand_values_of_the_effective_number_weights():
    """beta = 0.5 and counts 1, 2: the effective numbers are 1 and 1.5, the weights 6/5 and 4/5."""
    weights = ldam_drw("beta=0.5", torch.tensor([1, 2])).weights
    assert weights.tolist() == pytest.approx([1.2, 0.8])
    nearly_uniform = ldam_drw("beta=0.0001", torch.tensor([1000, 10])).weights
    assert nearly_uniform.tolist() == pytest.approx([1, 1], rel=1e-3)
    nearly_inverse = ldam_drw("beta=0.99999999", torch.tensor([30, 10])).weights
    assert nearly_inverse.tolist() == pytest.approx([0.5, 1.5], rel=1e-3)


def test_a_batch_of_one_class_feels_no_weights():
    logits, _ = cosines()
    targets = torch.full((24,), 3)
    method = ldam_drw()
    early, late = (losses_of(method, logits, targets, clock) for clock in (EARLY, LATE))
    assert torch.allclose(early, late, rtol=1e-6)


def test_without_margins_it_is_cross_entropy_on_cosine_logits():
    logits, targets = cosines()
    found = losses_of(ldam_drw("max_margin=0"), logits, targets, EARLY)
    assert torch.equal(found, F.cross_entropy(logits, targets, reduction="none"))


def test_uniform_counts_give_one_margin_and_weights_of_one():
    method = ldam_drw(counts=torch.full((5,), 37))
    assert method.margins.tolist() == [0.5] * 5
    assert method.weights.tolist() == [1] * 5


@pytest.mark.parametrize("scale", [30.0, 12.5])
def test_the_network_gets_a_cosine_head_that_carries_the_scale(scale):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = ldam_drw(f"scale={scale}").build(create("resnet8", 3, 5))
    assert isinstance(network.classifier, CosineClassifier)
    assert network.classifier.scale == scale
    assert network.classifier.weight.shape == (5, 64)
    logits = network.eval()(torch.randn(4, 3, 8, 8))["logits"].detach()
    assert logits.abs().max().item() <= scale * (1 + 1e-6)


def test_margin_and_head_use_one_scale():
    """A target reached exactly: its logit is s, lowered to s (1 - m)."""
    method = ldam_drw("scale=10, max_margin=0.3", torch.tensor([1, 1]))
    logits = torch.tensor([[10.0, -10.0]], dtype=torch.float64)
    found = losses_of(method, logits, torch.tensor([0]), EARLY)
    assert found.item() == pytest.approx(math.log1p(math.exp(-10 - 7)), rel=1e-4)


def test_a_class_with_a_single_image_and_a_huge_head_stay_finite():
    method = ldam_drw(counts=torch.tensor([10**6, 1]))
    assert method.margins.isfinite().all()
    assert method.weights.isfinite().all()
    found = losses_of(method, torch.zeros(2, 2), torch.tensor([0, 1]), LATE)
    assert found.isfinite().all()
