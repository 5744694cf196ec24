"""Backbones that part: what is shared, what each branch sees, and the experts' head."""

import copy

import pytest
import torch
import torch.nn.functional as F
from ltbench.methods.bbn import two_ends
from ltbench.methods.ride import ExpertClassifier, experts
from torch import nn

from ltbench.networks import create


def backbone(name="resnet32"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return create(name, 3, 5).backbone.double().eval()


def made(make, *arguments):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return make(*arguments).double().eval()


def images(count=6):
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(2)).double()


@pytest.mark.parametrize("name", ["resnet8", "resnet32"])
def test_two_ends_are_the_network_s_own_last_block_and_a_fresh_one(name):
    whole = backbone(name)
    parted = made(two_ends, copy.deepcopy(whole))
    assert parted.out_features == 128
    features = parted(images())
    assert torch.equal(features[:, :64], whole(images()))
    assert (features[:, 64:] - features[:, :64]).abs().max() > 0.01
    own = sum(p.numel() for p in whole.parameters())
    block = sum(p.numel() for p in whole.stages[-1][-1].parameters())
    assert sum(p.numel() for p in parted.parameters()) == own + block


def test_dealt_images_go_to_one_branch_each():
    parted, given = made(two_ends, backbone("resnet8")), images()
    both, dealt = parted(given), parted.dealt(given)
    assert dealt.shape == (3, 128)
    torch.testing.assert_close(dealt[:, :64], both[0::2, :64])
    torch.testing.assert_close(dealt[:, 64:], both[1::2, 64:])


def test_dealt_batch_statistics_are_each_branch_s_own():
    parted, given = made(two_ends, backbone("resnet8")).train(), images()
    parted.dealt(given)
    first, second = (branch.bn1.running_mean for branch in parted.branches)
    trunk = copy.deepcopy(parted.trunk).eval()
    assert not torch.equal(first, second)
    assert trunk.bn1.num_batches_tracked == 1


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize(("name", "blocks"), [("resnet8", 1), ("resnet32", 5)])
def test_experts_share_the_first_stage_and_are_narrower_after(count, name, blocks):
    whole = backbone(name)
    parted = made(experts, copy.deepcopy(whole), count, (24, 48))
    assert parted.out_features == 48 * count
    assert parted(images()).shape == (6, 48 * count)
    shared = F.relu(whole.bn1(whole.conv1(images())))
    assert torch.equal(parted.trunk.maps(images()), whole.stages[0](shared))
    for branch in parted.branches:
        widths = [block.conv2.out_channels for part in branch for block in part]
        assert widths == [24] * blocks + [48] * blocks
        assert branch(whole.stages[0](shared)).shape == (6, 48, 4, 4)
    starts = [branch[0][0].conv1.weight for branch in parted.branches]
    assert len({start.sum().item() for start in starts}) == count


def test_convolutions_of_the_branches_are_kaiming_normal():
    weights = [
        module.weight
        for branch in made(experts, backbone(), 3, (24, 48)).branches
        for module in branch.modules()
        if isinstance(module, nn.Conv2d)
    ]
    for weight in weights:
        expected = (2 / weight[0].numel()) ** 0.5
        assert weight.std().item() == pytest.approx(expected, rel=0.05)


def test_the_expert_s_head_is_the_mean_of_cosine_logits_of_each_part():
    head = made(ExpertClassifier, 12, 5, 3, 30.0)
    features = torch.randn(4, 12, generator=torch.Generator().manual_seed(3)).double()
    parts = [
        30 * F.normalize(features[:, 4 * k : 4 * k + 4]) @ F.normalize(expert.weight).T
        for k, expert in enumerate(head.experts)
    ]
    torch.testing.assert_close(head.each(features), torch.stack(parts, 1))
    torch.testing.assert_close(head(features), sum(parts) / 3)
