"""Batch statistics of parts of a batch: as several GPUs' `DataParallel` takes them."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ltbench.api.norm_batch import norm_batches, taken_in
from ltbench.api.perturb import Segments
from ltbench.api.segments import evaluate_segmented


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5),
        nn.BatchNorm1d(5),
    ).double()  # fmt: skip


def images(count, seed=1):
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(count, 3, 8, 8, generator=draw, dtype=torch.float64)


def in_replicas(network, rows, parts):
    """What `DataParallel` computes: a replica for each part; the first one's buffers are kept."""
    first, *others = rows.chunk(parts)
    replicas = [copy.deepcopy(network) for _ in others]
    return torch.cat([network(first), *(r(p) for r, p in zip(replicas, others, strict=True))])


@pytest.mark.parametrize("views", [1, 3])
def test_a_pass_is_that_of_replicas_with_a_part_of_the_rows_each(network, views):
    rows, theirs = images(8 * views), copy.deepcopy(network)
    with norm_batches(2, 8):
        found = network(rows)
    assert torch.allclose(found, in_replicas(theirs, rows, 4), atol=1e-12)
    for ours, other in zip(network.buffers(), theirs.buffers(), strict=True):
        assert torch.allclose(ours.double(), other.double(), atol=1e-12)


def test_gradients_are_those_of_the_parts(network):
    rows, twin = images(8), copy.deepcopy(network)
    with norm_batches(4, 8):
        F.cross_entropy(network(rows), torch.arange(8) % 5).backward()
    joined = torch.cat([twin(rows[:4]), twin(rows[4:])])
    F.cross_entropy(joined, torch.arange(8) % 5).backward()
    for ours, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours.grad, other.grad, atol=1e-12)


@pytest.mark.parametrize("norm_batch", [None, 8, 64])
def test_a_part_as_large_as_the_batch_is_the_batch(network, norm_batch):
    rows, twin = images(8), copy.deepcopy(network)
    with norm_batches(norm_batch, 8):
        assert torch.equal(network(rows), twin(rows))


def test_evaluation_is_by_running_statistics(network):
    rows = images(8)
    expected = network.eval()(rows)
    with norm_batches(2, 8):
        assert torch.equal(network(rows), expected)


def test_a_last_batch_is_cut_evenly(network):
    with norm_batches(4, 5):
        found = network(images(5))
    assert torch.allclose(found[:3].mean(0), torch.zeros(5, dtype=torch.float64), atol=1e-6)


def test_images_taken_in_another_order_keep_their_parts(network):
    rows, twin = images(16), copy.deepcopy(network)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(2))
    moved = torch.cat([rows[:8][order], rows[8:][order]])
    with norm_batches(2, 8):
        expected = network(rows)
        with taken_in(order):
            found = twin(moved)
    assert torch.allclose(found[:8], expected[:8][order], atol=1e-12)
    assert torch.allclose(found[8:], expected[8:][order], atol=1e-12)


def test_displaced_weights_see_the_same_parts(network):
    """A segmented pass takes images by segment; without displacement it is the plain pass."""
    rows = images(8)
    members = torch.tensor([1, 0, 1, 1, 0, 1, 0, 0])
    zero = {"0.weight": torch.zeros_like(network[0].weight)}
    segments = Segments(members=members, perturbations=[zero, zero])
    with norm_batches(2, 8):
        expected = copy.deepcopy(network)(rows)
        found = evaluate_segmented(
            network, segments, lambda net, order: {"logits": net(rows[order])}
        )
    assert torch.allclose(found["logits"], expected, atol=1e-10)
