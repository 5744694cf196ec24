"""Remix: the images of mixup, the labels by the rule of the counts."""

import pytest
import torch

from ltbench import Batch, Clock, Task, build

COUNTS = torch.tensor([90, 30, 29, 10, 1])


def mixtures(specification, steps=60):
    """The mixed batches of several steps, so that shares lie on both sides of tau."""
    method = build(specification)
    method.setup(Task(COUNTS))
    draw = torch.Generator().manual_seed(1)
    batch = Batch((torch.randn(32, 3, 4, 4),), torch.randint(5, (32,), generator=draw), None)
    return [method.mix(batch, Clock("train", 0, 1, number, steps)) for number in range(steps)]


def labelled(share, own, other, kappa, tau):
    """Eq. 8, image by image."""
    if own / other >= kappa and share < tau:
        return 0.0
    if own / other <= 1 / kappa and 1 - share < tau:
        return 1.0
    return share


@pytest.mark.parametrize(("kappa", "tau"), [(3.0, 0.5), (9.0, 0.5), (3.0, 0.8), (1.0, 1.0)])
def test_shares_follow_the_rule_of_the_counts(kappa, tau):
    seen = set()
    remixed = mixtures(f"remix(kappa={kappa}, tau={tau})")
    for ours, plain in zip(remixed, mixtures("mixup"), strict=True):
        rows = zip(
            plain.mix_ratio.tolist(),
            COUNTS[plain.targets].tolist(),
            COUNTS[plain.mix_targets].tolist(),
            strict=True,
        )
        expected = [labelled(share, n, m, kappa, tau) for share, n, m in rows]
        assert ours.mix_ratio.tolist() == expected
        seen |= {0.0, 1.0} & set(expected)
    assert seen == {0.0, 1.0}  # both branches


def test_images_and_other_labels_are_those_of_mixup():
    for ours, plain in zip(mixtures("remix"), mixtures("mixup"), strict=True):
        assert torch.equal(ours.mix_targets, plain.mix_targets)
        assert torch.equal(ours.targets, plain.targets)


@pytest.mark.parametrize("specification", ["remix(tau=0.0)", "remix(kappa=91.0)"])
def test_without_a_threshold_it_is_mixup(specification):
    for ours, plain in zip(mixtures(specification), mixtures("mixup"), strict=True):
        assert torch.equal(ours.mix_ratio, plain.mix_ratio)


def test_a_share_of_one_is_the_base():
    for mixed in mixtures("remix(alpha=0.0)"):
        assert set(mixed.mix_ratio.tolist()) == {1.0}
