"""Partition of classes: affinities by definition, cuts that do not depend on numbering."""

import itertools

import pytest
import torch
import torch.nn.functional as F

from ltbench.blocks.partition import affinities, by_size, normalised_cut, renumbered


def snapshots(blocks=(3, 2, 4), width=40, seed=0):
    """Vectors in blocks of similar ones, around a large common part."""
    draw = torch.Generator().manual_seed(seed)
    common = 20 * torch.randn(width, generator=draw, dtype=torch.float64)
    vectors = []
    for size in blocks:
        centre = torch.randn(width, generator=draw, dtype=torch.float64)
        vectors += [
            common + centre + 0.2 * torch.randn(width, generator=draw, dtype=torch.float64)
            for _ in range(size)
        ]
    return vectors


def as_sets(labels):
    return {frozenset((labels == g).nonzero().flatten().tolist()) for g in labels.unique()}


@pytest.mark.parametrize("form", ["centred", "raw"])
def test_affinity_is_the_cosine_of_the_classes_vectors(form):
    vectors, snapshot_of_class = snapshots(), torch.tensor([0, 8, 8, 3, 1, 2, 4, 5, 6, 7, 0])
    matrix = torch.stack(vectors)[snapshot_of_class]
    if form == "centred":
        matrix = matrix - matrix.mean(0)
    cosines = F.cosine_similarity(matrix[:, None], matrix[None], dim=2)
    found = affinities(vectors, snapshot_of_class, form)
    torch.testing.assert_close(found, (1 + cosines) / 2, atol=1e-9, rtol=1e-9)
    assert torch.equal(found[1], found[2])


def test_vectors_longer_than_a_chunk_and_in_single_precision():
    vectors = [torch.randn(150_000, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    snapshot_of_class = torch.tensor([0, 1, 2, 3, 3])
    matrix = torch.stack(vectors).double()[snapshot_of_class]
    matrix = matrix - matrix.mean(0)
    expected = (1 + F.cosine_similarity(matrix[:, None], matrix[None], dim=2)) / 2
    torch.testing.assert_close(affinities(vectors, snapshot_of_class), expected, atol=1e-9, rtol=0)


def test_equal_vectors_have_no_direction():
    found = affinities([torch.ones(5), torch.ones(5)], torch.tensor([0, 1, 0]))
    assert found.tolist() == [[1, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 1]]


@pytest.mark.parametrize("by", ["kmeans", "cluster_qr"])
def test_the_cut_finds_blocks(by):
    snapshot_of_class = torch.tensor([0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 3, 8])
    labels = normalised_cut(affinities(snapshots(), snapshot_of_class), snapshot_of_class, 3, by)
    assert as_sets(labels) == {
        frozenset({0, 1, 2, 9}), frozenset({3, 4, 10}), frozenset({5, 6, 7, 8, 11})
    }  # fmt: skip


@pytest.mark.parametrize("groups", [2, 3, 4, 6])
def test_the_cut_does_not_depend_on_the_numbering_of_classes(groups):
    draw = torch.Generator().manual_seed(5)
    vectors = [torch.randn(30, generator=draw, dtype=torch.float64) for _ in range(9)]
    snapshot_of_class = torch.randint(0, 9, (24,), generator=draw)
    snapshot_of_class[:9] = torch.arange(9)
    first = normalised_cut(affinities(vectors, snapshot_of_class), snapshot_of_class, groups)
    assert first is not None
    for _ in range(5):
        order = torch.randperm(24, generator=draw)
        there = snapshot_of_class[order]
        second = normalised_cut(affinities(vectors, there), there, groups)
        assert as_sets(first[order]) == as_sets(second)


def test_as_many_snapshots_as_groups_are_the_groups_and_fewer_are_none():
    snapshot_of_class = torch.tensor([4, 1, 4, 0, 1])
    assert as_sets(normalised_cut(torch.eye(5), snapshot_of_class, 3)) == {
        frozenset({0, 2}), frozenset({1, 4}), frozenset({3})
    }  # fmt: skip
    assert normalised_cut(torch.eye(5), snapshot_of_class, 4) is None


def test_a_cut_through_equal_rows_or_with_an_empty_group_is_none(monkeypatch):
    snapshot_of_class = torch.tensor([0, 1, 2, 3, 0])
    for answer in ([0, 1, 1, 0, 1], [0, 0, 0, 0, 0]):
        monkeypatch.setattr(
            "sklearn.cluster.SpectralClustering.fit_predict",
            lambda clustering, matrix, labels=answer: labels,
        )
        assert normalised_cut(torch.eye(5), snapshot_of_class, 2) is None


def test_by_size_has_equal_widths_in_the_logarithm():
    counts = torch.tensor([int(500 * 0.01 ** (c / 99)) for c in range(100)])
    labels = by_size(counts, 4)
    edges = 500.0 * 100 ** -torch.tensor([0.25, 0.5, 0.75])
    assert torch.equal(labels, (counts.unsqueeze(1) < edges).sum(1))
    assert (labels.diff() >= 0).all()


@pytest.mark.parametrize("counts", [[7] * 9, [1000, 5, 4, 3, 2, 1], [50, 50, 49, 1], [9, 0, 1, 0]])
def test_by_size_never_leaves_a_group_empty(counts):
    counts = torch.tensor(counts)
    for groups in range(1, len(counts) + 1):
        labels = by_size(counts, groups)
        assert labels.unique().tolist() == list(range(groups))
        for larger, smaller in itertools.combinations(range(groups), 2):
            assert counts[labels == larger].min() >= counts[labels == smaller].max()


def test_canonical_labels_begin_with_the_most_images():
    labels = renumbered(torch.tensor([7, 7, 2, 5, 5]), torch.tensor([1, 2, 9, 2, 1]))
    assert labels.tolist() == [1, 1, 0, 2, 2]
