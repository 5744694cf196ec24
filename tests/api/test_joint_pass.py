"""Parts of a batch, and batch norm over all of them, where one process plays them all."""

import copy
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, local

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ltbench.api import joint_pass as module
from ltbench.api import ranks as collectives
from ltbench.api.joint_pass import joint_pass
from ltbench.api.norm_batch import norm_batches
from ltbench.api.perturb import Segments
from ltbench.api.ranks import Part, average_gradients, averaged
from ltbench.data.batch import Batch
from ltbench.errors import LtbenchError


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5),
        nn.BatchNorm1d(5),
    ).double()  # fmt: skip


@pytest.fixture
def batch():
    draw = torch.Generator().manual_seed(1)
    images = torch.randn(9, 3, 8, 8, generator=draw, dtype=torch.float64)
    return Batch((images,), torch.arange(9) % 5, torch.arange(9))


@pytest.fixture
def parted(monkeypatch):
    """One process that takes the part of one, and hears itself alone."""
    whole = classmethod(lambda cls, images: cls(0, images, images, 1))
    monkeypatch.setattr(Part, "of", whole)
    for place in (module, collectives):
        monkeypatch.setattr(place, "summed", lambda tensor: tensor)


def forward(batch, network, order=None):
    """What a method's forward pass is: of the batch, or of its images in an order."""
    images = batch.images if order is None else batch.images[order]
    return {"logits": network(images), "kernel": 2 * network[4].weight}


@pytest.mark.parametrize("ranks", [2, 3, 4])
@pytest.mark.parametrize("images", [9, 16, 27, 54])
def test_parts_are_the_batch_in_order_and_leave_pairs_whole(monkeypatch, ranks, images):
    monkeypatch.setattr(collectives, "ranks", lambda: ranks)
    parts = []
    for rank in range(ranks):
        monkeypatch.setattr(collectives.distributed, "get_rank", lambda rank=rank: rank)
        parts.append(Part.of(images))
    assert [p.first for p in parts] == [0, *(p.last for p in parts[:-1])]
    assert parts[-1].last == images
    assert all(p.first % 2 == 0 and p.last > p.first for p in parts)


def test_fewer_pairs_than_processes_are_not_parted(monkeypatch):
    monkeypatch.setattr(collectives, "ranks", lambda: 3)
    assert Part.of(4) is None


def test_one_process_computes_for_itself():
    assert Part.of(8) is None
    tensor = torch.ones(2)
    assert averaged([tensor])[0] is tensor


@pytest.mark.parametrize("norm_batch", [None, 4])
def test_joint_batch_norm_is_that_of_the_batch(network, batch, parted, norm_batch):
    twin = copy.deepcopy(network)
    outputs = joint_pass(network, batch, None, forward, norm_batch)
    with norm_batches(norm_batch, 9):
        expected = forward(batch, twin)
    assert torch.allclose(outputs["logits"], expected["logits"], atol=1e-12)
    for found, own in ((outputs, network), (expected, twin)):
        F.cross_entropy(found["logits"], batch.targets).backward()
        assert own[0].weight.grad.norm() > 0
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-12)
    for ours, theirs in zip(network.buffers(), twin.buffers(), strict=True):
        assert torch.allclose(ours.double(), theirs.double(), atol=1e-12)


def test_statistics_are_precise_in_a_bfloat16_pass(network, batch, parted):
    network.float()
    images = batch.images.float() + 3
    twin, batch = copy.deepcopy(network), batch._replace(views=(images,))
    with torch.autocast("cpu", torch.bfloat16):
        found = joint_pass(network, batch, None, forward)["logits"]
        expected = twin(images)
    assert found.dtype == expected.dtype
    assert torch.allclose(found.float(), expected.float(), atol=0.05)
    for ours, theirs in zip(network[1].buffers(), twin[1].buffers(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-5)


@pytest.mark.parametrize("norm_batch", [None, 4])
def test_so_it_is_where_images_are_at_weights_of_their_own(network, batch, parted, norm_batch):
    draw = torch.Generator().manual_seed(2)
    shifts = [
        {n: torch.randn(w.shape, generator=draw).to(w) / 9 for n, w in network.named_parameters()}
        for _ in range(2)
    ]
    segments = Segments(shifts, torch.arange(9) % 2)
    found = joint_pass(network, batch, segments, forward, norm_batch)
    with pytest.MonkeyPatch.context() as patch, norm_batches(norm_batch, 9):
        patch.setattr(Part, "of", lambda images: None)
        expected = joint_pass(network, batch, segments, forward)
    assert torch.allclose(found["logits"], expected["logits"], atol=1e-12)


class Pair:
    """Two threads as two processes: sums are those of what both bring."""

    def __init__(self):
        self.barrier, self.brought, self.own = Barrier(2), [None, None], local()

    def summed(self, tensor):
        self.brought[self.own.rank] = tensor.clone()
        self.barrier.wait(30)
        tensor.copy_(self.brought[0] + self.brought[1])
        self.barrier.wait(30)
        return tensor

    def run(self, work):
        """Return what each of the two does, by rank."""

        def of(rank):
            self.own.rank = rank
            return work()

        with ThreadPoolExecutor(2) as pool:
            return [*pool.map(of, range(2))]


@pytest.fixture
def pair(monkeypatch):
    two = Pair()
    monkeypatch.setattr(collectives, "ranks", lambda: 2)
    monkeypatch.setattr(collectives.distributed, "get_rank", lambda: two.own.rank)
    for place in (module, collectives):
        monkeypatch.setattr(place, "summed", two.summed)
    return two


@pytest.mark.parametrize("norm_batch", [None, 4])
@pytest.mark.parametrize("segmented", [False, True])
def test_two_have_the_outputs_and_gradients_of_one(network, batch, pair, norm_batch, segmented):
    shift = {"4.weight": torch.full_like(network[4].weight, 0.1)}
    segments = Segments([{}, shift], torch.arange(9) % 2, here=True) if segmented else None

    def trained():
        own = copy.deepcopy(network)
        found = joint_pass(own, batch, segments, forward, norm_batch)
        loss = F.cross_entropy(found["logits"], batch.targets) + found["kernel"].square().sum()
        loss.backward()
        average_gradients(own)
        return own, found["logits"]

    (ours, logits), (theirs, other) = pair.run(trained)
    assert torch.equal(logits, other)
    with pytest.MonkeyPatch.context() as patch, norm_batches(norm_batch, 9):
        patch.setattr(collectives, "ranks", lambda: 1)
        alone, expected = trained()
    assert torch.allclose(logits, expected, atol=1e-12)
    for one, two, whole in zip(*(n.parameters() for n in (ours, theirs, alone)), strict=True):
        assert torch.equal(one.grad, two.grad)
        assert torch.allclose(one.grad, whole.grad, atol=1e-12)
    for one, whole in zip(ours.buffers(), alone.buffers(), strict=True):
        assert torch.allclose(one.double(), whole.double(), atol=1e-12)


def test_what_depends_on_weights_alone_is_not_gathered(network, batch, parted, monkeypatch):
    gathered = []
    monkeypatch.setattr(Part, "gathered", lambda part, name, own: gathered.append(name) or own)
    joint_pass(network, batch, None, forward)
    assert gathered == ["logits"]


def test_an_output_that_is_not_a_row_an_image_is_refused(network, batch, parted):
    with pytest.raises(LtbenchError, match="the forward pass gives 'mean' of several images"):
        joint_pass(network, batch, None, lambda batch, network: {"mean": batch.images.mean()})
