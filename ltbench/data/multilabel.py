"""Splits of data sets whose images have several labels each."""

import hashlib
from pathlib import Path

import torch

from ltbench.data import mosaic
from ltbench.data.catalog import Dataset
from ltbench.data.description import Part
from ltbench.data.readers import Split, Subset


def load_multilabel(dataset: Dataset, root: Path, *, subset_seed: int, fraction: float) -> Split:
    """Return the split of a data set; `fraction` keeps that share of each part's images."""
    parts: tuple[Part, ...] = ("train", "test", "val")
    train, test, held = (_subset(dataset, part, fraction, subset_seed) for part in parts)
    drawn = train.labels.to(torch.uint8).numpy().tobytes()
    return Split(
        train=train,
        test=test,
        validation=held,
        class_counts=dataset.class_counts(fraction=fraction),
        indices_sha256=hashlib.sha256(drawn).hexdigest(),
    )


def _subset(dataset: Dataset, part: Part, fraction: float, subset_seed: int) -> Subset:
    labels = dataset.label_sets(part, fraction, subset_seed)
    pictures = mosaic.pictures_of(labels, part, subset_seed)
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()
    return Subset(images, torch.from_numpy(labels).float())
