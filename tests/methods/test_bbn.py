"""BBN: pairs, the falling share, and both branches on one image at test time."""

import pytest
import torch
import torch.nn.functional as F
from made_methods import random_batch, with_network

from ltbench import Clock, Recipe, build
from ltbench.engine.evaluate import finalised

COUNTS = torch.tensor([40, 20, 10, 5])
PAPER = Recipe(200, 128, 0.1, 2e-4, warmup_epochs=5)


def set_up():
    method, network = with_network("bbn", COUNTS)
    return method, network.eval(), random_batch(10, 4)


def branches(network, images):
    maps = network.backbone.trunk.maps(images)
    return [branch(maps).mean((2, 3)) for branch in network.backbone.branches]


def test_the_recipe_drops_at_120_and_160_of_200_on_batches_of_pairs():
    (stage,) = build("bbn").stages(PAPER)
    assert (stage.sampler, stage.recipe.batch_size) == ("reversed_pairs", 256)
    rates = [stage.recipe.learning_rate_at(epoch) for epoch in (119, 120, 159, 160)]
    assert rates == pytest.approx([0.1, 0.001, 0.001, 0.00001])


def test_the_share_is_the_paper_s_parabola():
    method = build("bbn")
    for epoch in (1, 2, 100, 200):  # one-based, as in the paper
        share = method.share(Clock("train", epoch - 1, 200))
        assert share == pytest.approx(1 - ((epoch - 1) / 200) ** 2)
    assert method.share(Clock("train", 0, 200)) == 1


@pytest.mark.parametrize("epoch", [0, 3, 9])
def test_the_mean_loss_is_the_paper_s_sum_over_pairs(epoch):
    method, network, batch = set_up()
    clock = Clock("train", epoch, 10)
    found = method.losses(method.forward(network, batch, clock), batch, clock)
    assert found.shape == (10,)
    share = 1 - (epoch / 10) ** 2
    first, second = (
        branches(network, batch.images[0::2])[0],
        branches(network, batch.images[1::2])[1],
    )
    weight, bias = network.classifier.weight, network.classifier.bias
    logits = 2 * torch.cat([share * first, (1 - share) * second], 1) @ weight.T + bias
    pairs = share * F.cross_entropy(logits, batch.targets[0::2], reduction="none")
    pairs = pairs + (1 - share) * F.cross_entropy(logits, batch.targets[1::2], reduction="none")
    torch.testing.assert_close(found.mean(), pairs.mean(), rtol=1e-6, atol=0)


def test_at_first_the_re_balancing_branch_learns_nothing():
    method, network, batch = set_up()
    clock = Clock("train", 0, 10)
    method.losses(method.forward(network, batch, clock), batch, clock).mean().backward()
    first, second = network.backbone.branches
    assert first.conv1.weight.grad.abs().max() > 0
    assert second.conv1.weight.grad.abs().max() == 0


def test_both_branches_see_a_test_image_with_equal_shares():
    method, network, batch = set_up()
    found = method.predict(finalised(method, network), batch.images)
    first, second = branches(network, batch.images)
    weight, bias = network.classifier.weight, network.classifier.bias
    expected = 2 * torch.cat([0.5 * first, 0.5 * second], 1) @ weight.T + bias
    torch.testing.assert_close(found, expected)
