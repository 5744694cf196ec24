"""Mixup by closed form: one share, one permutation, a loss linear in the labels."""

import pytest
import torch
from made_methods import random_batch, with_network

from ltbench import Clock, Step, build

COUNTS = torch.tensor([40, 20, 10, 5, 1])


def a_step(specification, number=0, views=1):
    method, network = with_network(specification, COUNTS)
    return Step(method, network, random_batch(16, views=views), Clock("train", 0, 10, number, 50))


def share_of(step):
    (share,) = set(step.batch.mix_ratio.tolist())
    return share


def test_images_and_loss_are_mixed_by_one_share_and_one_permutation():
    step, given = a_step("mixup"), random_batch(16)
    share, mixed = share_of(step), step.batch
    rest = (mixed.images - share * given.images) / (1 - share)
    gaps = (rest.unsqueeze(1) - given.images).flatten(2).norm(dim=2)
    others = gaps.argmin(1)
    assert gaps.min(1).values.max() < 1e-4  # the share is told in float32
    assert sorted(others.tolist()) == list(range(16))
    assert torch.equal(mixed.mix_targets, given.targets[others])
    assert torch.equal(mixed.targets, given.targets)
    outputs = step.forward()
    surprise, rows = -outputs["logits"].log_softmax(1), torch.arange(16)
    labelled = (
        share * surprise[rows, given.targets] + (1 - share) * surprise[rows, mixed.mix_targets]
    )
    assert torch.allclose(step.losses(outputs), labelled, rtol=0, atol=1e-12)


def test_all_views_are_mixed_alike():
    one, two = a_step("mixup").batch, a_step("mixup", views=2).batch
    assert torch.equal(one.images, two.images)
    given, share = random_batch(16, views=2), share_of(a_step("mixup", views=2))
    rest = [(view - share * was) / (1 - share) for view, was in zip(two[0], given[0], strict=True)]
    others = (rest[0].unsqueeze(1) - given[0][0]).flatten(2).norm(dim=2).argmin(1)
    assert torch.allclose(rest[1], given[0][1][others], rtol=0, atol=1e-4)


def test_the_same_step_mixes_the_same_way_and_another_does_not():
    first, again, other = (a_step("mixup", number).batch for number in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.mix_ratio, again.mix_ratio)
    assert not torch.equal(first.mix_ratio, other.mix_ratio)


@pytest.mark.parametrize(("alpha", "variance"), [(1.0, 1 / 12), (0.2, 1 / 5.6), (4.0, 1 / 36)])
def test_shares_have_the_beta_distributions_mean_and_variance(alpha, variance):
    method, batch = build(f"mixup(alpha={alpha})"), random_batch(16)
    steps = (method.mix(batch, Clock("train", 0, 1, n, 4000)) for n in range(4000))
    shares = torch.stack([step.mix_ratio[0] for step in steps]).double()
    assert shares.mean().item() == pytest.approx(0.5, abs=0.025)
    assert shares.var().item() == pytest.approx(variance, rel=0.06)


@pytest.mark.parametrize("base", ["ce", "ldam_drw", "ce+sam"])
def test_a_share_of_one_is_the_base(base):
    mixed, plain = a_step(f"{base}+mixup(alpha=0.0)"), a_step(base)
    assert torch.equal(mixed.batch.images, plain.batch.images)
    for step in (mixed, plain):
        step.method.backward(step)
    pairs = zip(mixed.network.parameters(), plain.network.parameters(), strict=True)
    assert all(torch.equal(ours.grad, theirs.grad) for ours, theirs in pairs)


def test_alone_it_mixes_cross_entropys_images():
    alone, composed = a_step("mixup"), a_step("ce+mixup")
    assert torch.equal(alone.losses(alone.forward()), composed.losses(composed.forward()))
