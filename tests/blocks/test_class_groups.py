"""The bank of snapshots and the groups: what is kept, when, and what is refused."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from ltbench import Batch, Clock, Task, build
from ltbench.blocks.class_groups import Grouped, SnapshotBank, spread_out
from ltbench.blocks.feature_quality import encoder_of
from ltbench.errors import LtbenchError, UsageError

COUNTS = (40, 20, 8, 3, 1)


class Encoder(nn.Module):
    def __init__(self, width=6):
        super().__init__()
        self.backbone = nn.Linear(4, width, bias=False).double()
        self.classifier = nn.Linear(width, len(COUNTS)).double()

    def forward(self, images):
        features = self.backbone(images.flatten(1))
        return {"features": features, "logits": self.classifier(features)}


def grouped(counts=COUNTS, **parameters):
    usual = {"groups": 3, "start": 0.2, "interval": 0.2, "quality_view": "clean"}
    method = Grouped(**{**usual, **parameters})
    method.setup(Task(torch.tensor(counts)))
    return method


def data_of(counts=COUNTS, seed=0):
    draw = torch.Generator().manual_seed(seed)
    targets = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    images = torch.randn(len(targets), 1, 2, 2, generator=draw, dtype=torch.float64)
    images += targets.view(-1, 1, 1, 1)
    parts = torch.arange(len(targets)).split(17)
    return Images(targets, [Batch((images[p],), targets[p], p) for p in parts])


@dataclass
class Images:
    """Training images as a method sees them."""

    targets: Tensor
    batches: list[Batch]

    def __call__(self):
        return iter(self.batches)


def quality(*values):
    return torch.tensor(values, dtype=torch.float64)


def bank_of(*updates, counts=COUNTS):
    bank = SnapshotBank.empty(torch.tensor(counts))
    for encoder, values in updates:
        bank = bank.update(encoder, quality(*values))
    return bank


def moved(network):
    with torch.no_grad():
        network.backbone.weight += torch.randn(6, 4, dtype=torch.float64)
    return network


# The bank (Eq. 1)


def test_a_class_keeps_the_encoder_of_its_best_quality_and_the_rest_is_dropped():
    torch.manual_seed(0)
    bank, network, seen = bank_of(), Encoder(), []
    best, where = [-math.inf] * 5, [-1] * 5
    draw = torch.Generator().manual_seed(1)
    for epoch in range(30):
        seen.append(encoder_of(moved(network)))
        now = torch.randn(5, generator=draw).tolist()
        bank = bank.update(seen[-1], quality(*now))
        for c in range(5):
            if now[c] > best[c]:
                best[c], where[c] = now[c], epoch
        assert bank.snapshot_of_class.tolist() == where
        assert bank.quality.tolist() == pytest.approx(best)
        assert set(bank.encoders) == set(map(str, where))  # bounded by what is referred to
        assert all(torch.equal(bank.encoders[str(e)], seen[e]) for e in where)


def test_an_encoder_that_did_not_move_is_stored_once():
    encoder = encoder_of(Encoder())
    bank = bank_of(*((encoder, (rise, 0.0, -rise, rise, 1.0)) for rise in range(4)))
    assert list(bank.encoders) == ["0"]


def test_snapshots_are_of_the_encoder_alone_and_copies():
    network = Encoder()
    encoder = encoder_of(network)
    before = encoder.clone()
    moved(network)
    assert torch.equal(encoder, before)
    assert len(encoder) == 24


def test_quality_that_is_not_finite_is_refused_but_for_a_class_without_images():
    clock = Clock("train", 0, 10)
    method = grouped((9, 5, 2, 0))
    method.after_epoch(Encoder(), data_of((9, 5, 2, 0)), clock)  # class 3 has no quality
    broken = Encoder()
    with torch.no_grad():
        broken.backbone.weight.fill_(math.nan)
    with pytest.raises(LtbenchError, match="not finite"):
        method.after_epoch(broken, data_of((9, 5, 2, 0)), clock)


def test_images_of_a_class_are_evenly_spaced_and_no_more_than_asked_for():
    targets = data_of().targets[torch.randperm(72, generator=torch.Generator().manual_seed(3))]
    chosen = spread_out(targets, torch.tensor(COUNTS), 7)
    assert targets[chosen].bincount().tolist() == [7, 7, 4, 3, 1]
    for c, stride in enumerate((6, 3, 2, 1, 1)):
        own = [i for i, y in enumerate(targets.tolist()) if y == c]
        assert chosen[targets == c].nonzero().flatten().tolist() == list(range(0, len(own), stride))


def test_quality_is_taken_on_some_training_images_of_each_class():
    method, network = grouped(quality_images=7), Encoder()
    data, seen = data_of(), []
    network.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    found = method.measure(network, data, Clock("train", 3, 10))
    assert found.quality.shape == (5,)
    assert found.quality.isfinite().all()
    every = torch.cat([batch.images for batch in data()])
    chosen = spread_out(data.targets, torch.tensor(COUNTS), 7)
    assert torch.equal(torch.cat(seen), every[chosen])


def test_crops_are_fresh_every_epoch_and_the_same_after_a_resume():
    method = grouped(quality_view="crop")
    network, clocks = Encoder(), [Clock("train", epoch, 10) for epoch in (3, 4, 3)]
    first, second, third = (method.measure(network, data_of(), clock).quality for clock in clocks)
    assert torch.equal(first, third)
    assert not torch.equal(first, second)


# The groups (Eq. 2)


def epochs_of(method, network, epochs, until=None):
    for epoch in range(until or epochs):
        method.after_epoch(moved(network), data_of(), Clock("train", epoch, epochs))
        yield epoch


def test_groups_come_at_the_start_then_every_interval_and_freeze():
    torch.manual_seed(0)
    method, network, changes = grouped(), Encoder(), []
    for epoch in epochs_of(method, network, 10):
        changes.append(int(method.state["regrouped"]))
        assert (method.class_groups is None) == (epoch + 1 < 2)
    assert changes == [0, 1, 1, 2, 2, 3, 3, 3, 3, 3]  # after epochs 2, 4, 6; frozen from 8 on
    assert "bank" not in method.state  # nothing asks for it again
    assert sorted(method.class_groups.unique().tolist()) == [0, 1, 2]


def test_few_snapshots_fall_back_to_groups_by_size_and_say_so():
    torch.manual_seed(0)
    method, network = grouped(), Encoder()
    updates = [(encoder_of(network), [1.0] * 5)]
    method.state["bank"] = vars(bank_of(*updates))
    method.regroup()
    assert method.class_groups.tolist() == [0, 0, 1, 2, 2]  # equal widths in log n
    assert method.curves()["by_similarity"] == 0
    for epoch in range(1, 5):
        now = [0.0] * 5
        now[epoch] = 2.0
        updates.append((encoder_of(moved(network)), now))
    method.state["bank"] = vars(bank_of(*updates))
    method.regroup()
    assert method.curves()["by_similarity"] == 1


def test_anchors_are_means_over_classes():
    torch.manual_seed(0)
    method, network = grouped(), Encoder()
    one, two = encoder_of(network), encoder_of(moved(network))
    bank = bank_of((one, [1.0] * 5), (two, [2.0, 0.0, 0.0, 0.0, 0.0]))
    method.state["bank"] = vars(bank)
    method.state["groups"] = torch.tensor([0, 0, 0, 1, 1])
    torch.testing.assert_close(method.anchor(0), (2 * one + two) / 3)
    assert torch.equal(method.anchor(1), one)
    assert method.group_images.tolist() == [68, 4, 0]


def test_curves_show_quality_and_groups():
    torch.manual_seed(0)
    method, network = grouped(), Encoder()
    list(epochs_of(method, network, 20, until=5))
    curves = method.curves()
    expected = {"quality", "quality_distance", "quality_variance", "quality_few", "snapshots"}
    expected |= {"group0_classes", "group1_classes", "group2_classes", "grouping", "by_similarity"}
    assert expected <= curves.keys()
    assert sum(curves[f"group{g}_classes"] for g in range(3)) == 5


def test_one_group_needs_no_bank():
    method = grouped(groups=1)
    assert method.class_groups.tolist() == [0] * 5
    method.after_epoch(Encoder(), lambda: pytest.fail("asked for data"), Clock("train", 5, 10))


# Sharing


def test_the_first_part_keeps_and_the_others_read():
    method = build("ce+gkp+gsa")
    gkp, gsa = method.modifiers
    method.setup(Task(torch.tensor(COUNTS)))
    assert gkp.owner is gsa.owner is gkp
    assert "bank" in gkp.state
    assert "bank" not in gsa.state
    gkp.state["groups"] = torch.tensor([0, 1, 2, 3, 3])
    assert torch.equal(gsa.class_groups, gkp.state["groups"])
    method.state = {"0": {}, "1": {"groups": torch.tensor([3, 2, 1, 0, 0])}, "2": {}}  # resumed
    assert gsa.class_groups.tolist() == [3, 2, 1, 0, 0]
    other = build("ce+gsa+gkp")
    assert other.modifiers[1].owner is other.modifiers[0]


def test_parts_that_want_other_groups_are_refused():
    with pytest.raises(UsageError, match=r"gkp and gsa share their .* groups=3 and groups=4"):
        build("ce+gkp(groups=3)+gsa")
    with pytest.raises(UsageError, match="quality_images=5"):
        build("ce+gsa(quality_images=5)+gkp")
    build("ce+gkp(groups=3)+gsa(groups=3)")


@pytest.mark.parametrize(
    "parameters",
    ["groups=0", "interval=0.0", "start=0.9, freeze=0.5", "quality_images=1", "freeze=1.1"],
)
def test_impossible_parameters_are_refused(parameters):
    with pytest.raises(UsageError, match=r"not allowed: |start must not lie after"):
        build(f"ce+gsa({parameters})")


def test_more_groups_than_classes_are_refused():
    with pytest.raises(UsageError, match=r"groups=6\) on 5 classes"):
        grouped(groups=6)
    assert grouped(groups=5).class_groups is None


def test_networks_without_features_or_encoder_are_refused():
    class Bare(nn.Module):
        def forward(self, images):
            return {"logits": images.flatten(1)}

    with pytest.raises(LtbenchError, match="gives features"):
        grouped().measure(Bare(), data_of(), Clock("train", 0, 1))
    with pytest.raises(LtbenchError, match="backbone"):
        encoder_of(Bare())
