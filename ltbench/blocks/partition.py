"""Partition of classes into groups: normalised cuts of a graph of weights, or by class size."""

import warnings
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

Affinity = Literal["centred", "raw"]
Labels = Literal["kmeans", "cluster_qr"]
"""How spectral clustering makes labels of eigenvectors."""
CHUNK = 1 << 16  # weights whose products are summed at once
FLOOR = 1e-6  # of an affinity: keeps the graph connected
SAME = 1e-7  # relative distance below which vectors are taken for equal


def affinities(
    vectors: Sequence[Tensor], snapshot_of_class: Tensor, form: Affinity = "centred"
) -> Tensor:
    """Return (1 + cos) / 2 between the vectors [P] of all pairs of classes, [C, C], float64.

    Class c has vectors[snapshot_of_class[c]]. `centred` subtracts the mean over the classes first,
    which otherwise dominates every cosine. A vector without direction is at 1/2 to others; the
    diagonal is 1. Only the products of distinct vectors are formed.
    """
    weights = torch.bincount(snapshot_of_class, minlength=len(vectors)).double() / len(
        snapshot_of_class
    )
    gram = torch.zeros(
        len(vectors), len(vectors), dtype=torch.float64, device=snapshot_of_class.device
    )
    total = 0.0
    for start in range(0, len(vectors[0]), CHUNK):
        rows = torch.stack([vector[start : start + CHUNK] for vector in vectors]).double()
        total += float(rows.square().sum())
        if form == "centred":
            rows -= weights @ rows
        gram += rows @ rows.T
    norms = gram.diagonal().clamp_min(0).sqrt()
    still = norms <= SAME * (total / len(vectors)) ** 0.5
    cosines = gram / (norms.unsqueeze(1) * norms).clamp_min(1e-300)
    cosines = cosines.masked_fill(still.unsqueeze(1) | still, 0.0)
    between = ((1 + cosines) / 2).clamp(FLOOR, 1.0).fill_diagonal_(1.0)
    return between[snapshot_of_class][:, snapshot_of_class]


def normalised_cut(
    affinity: Tensor, snapshot_of_class: Tensor, groups: int, by: Labels = "kmeans"
) -> Tensor | None:
    """Return the group [C] of each class by spectral clustering, or None if it is degenerate.

    Classes of equal snapshot are equal rows of the affinity and belong together. With as many
    snapshots as groups there is one such partition; with fewer, none. The order of classes does
    not matter.
    """
    distinct, labels = torch.unique(snapshot_of_class, return_inverse=True)
    if len(distinct) <= groups:
        return labels if len(distinct) == groups else None
    order = snapshot_of_class.argsort(
        stable=True
    )  # equal rows side by side: the same for every numbering
    found = torch.empty_like(snapshot_of_class)
    found[order] = _spectral(affinity[order][:, order], groups, by).to(snapshot_of_class.device)
    firsts = torch.stack([(snapshot_of_class == snapshot).nonzero()[0, 0] for snapshot in distinct])
    consistent = torch.equal(found, found[firsts][labels])
    return found if consistent and len(torch.unique(found)) == groups else None


def by_size(class_counts: Tensor, groups: int) -> Tensor:
    """Return the group [C] of each class: equal widths in log n_c, the largest classes first.

    Where that leaves a group empty, equal numbers of classes in the order of their size.
    """
    sizes = class_counts.clamp_min(1).double().log()
    width = (sizes.max() - sizes.min()) / groups
    labels = ((sizes.max() - sizes) / width).long().clamp(0, groups - 1) if width > 0 else None
    if labels is None or len(torch.unique(labels)) < groups:
        labels = torch.empty_like(class_counts)
        ranks = torch.arange(len(class_counts), device=class_counts.device)
        labels[class_counts.argsort(descending=True, stable=True)] = ranks * groups // len(ranks)
    return labels


def renumbered(labels: Tensor, class_counts: Tensor) -> Tensor:
    """Return the labels renumbered: the group with the most images is 0, and so on."""
    groups = torch.unique(labels).tolist()
    images = {group: int(class_counts[labels == group].sum()) for group in groups}
    first = {group: int((labels == group).nonzero()[0, 0]) for group in groups}
    ranked = sorted(groups, key=lambda group: (-images[group], first[group]))
    numbers = torch.empty_like(labels)
    for number, group in enumerate(ranked):
        numbers[labels == group] = number
    return numbers


def _spectral(affinity: Tensor, groups: int, by: Labels) -> Tensor:
    from sklearn.cluster import SpectralClustering  # noqa: PLC0415  (a second to import)

    clustering = SpectralClustering(
        groups, affinity="precomputed", random_state=0, assign_labels=by
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whether the result is degenerate is asked afterwards
        return torch.as_tensor(clustering.fit_predict(affinity.cpu().numpy())).long()
