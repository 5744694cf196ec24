"""Batches for training: an epoch's views made at once on the device, then cut into batches."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from ltbench.data.augment.pixels import chunk_size
from ltbench.data.augment.views import Augment, View, render, view_of
from ltbench.data.batch import Batch, seed_of
from ltbench.data.info import DatasetInfo
from ltbench.data.samplers import draws, order

CLEAN_BATCH = 500  # images a batch where nothing is learned from it
BLOCK = 16_000  # images whose views are made at once there

Change = Callable[[View, Tensor], View]
"""A view and the labels [N] of the images that it is made of, to the view to make."""


def unchanged(view: View, targets: Tensor) -> View:
    """Return the view."""
    return view


def batches_of(images: int, batch_size: int, drop_last: bool) -> int:
    """Return the batches of an epoch; fewer images than one batch are one batch.

    A last batch of a single image is left out: its batch statistics would be that image's, and
    after a few epochs the running ones too.
    """
    whole, rest = divmod(images, batch_size)
    return whole if whole and (drop_last or rest <= 1) else whole + 1


@dataclass(frozen=True)
class Feed:
    """Images of one subset, resident on a device, as normalised batches."""

    info: DatasetInfo
    subset: Any

    @property
    def labels(self) -> Tensor:
        """Return the labels, int64 [N]; of several each float32 [N, C]."""
        found: Tensor = self.subset.labels
        return found

    @property
    def held(self) -> tuple[Tensor, ...]:
        """Return the tensors that a method must not write into."""
        return self.subset.images, self.subset.labels

    @property
    def skipped(self) -> frozenset[int]:
        """Return the images that were left out since they do not read: none of those in memory."""
        return frozenset()

    def waited(self) -> float:
        """Return the seconds that were waited for images since this was last asked: none."""
        return 0.0

    def steps(self, batch_size: int, drop_last: bool, sampler: str = "instance_balanced") -> int:
        """Return the batches of an epoch."""
        return batches_of(self.draws(sampler), batch_size, drop_last)

    def draws(self, sampler: str) -> int:
        """Return the draws of an epoch, from so many images."""
        labels = self.labels
        counts = labels.sum(0).long() if labels.ndim == 2 else labels.bincount()
        return draws(sampler, len(labels), counts.tolist())

    def epoch(
        self,
        views: tuple[str, ...],
        sampler: str,
        batch_size: int,
        drop_last: bool,
        seed: int,
        *,
        augment: Change = unchanged,
    ) -> Iterator[Batch]:
        """Yield an epoch's batches; `seed` fixes order and augmentation, each by its own stream.

        `augment` changes the first view, given the labels of all the epoch's images in order.
        """
        indices = order(sampler, self.subset.labels, generator_of(seed, "order"))
        indices = indices.to(self.subset.labels.device)
        images, labels = self.subset.images[indices], self.subset.labels[indices]
        rendered = []
        for position, name in enumerate(views):
            view = view_of(name) if position else augment(view_of(name), labels)
            made = render(view, images, self._augment, generator_of(seed, "view", position))
            rendered.append(made)
        steps = self.steps(batch_size, drop_last, sampler)
        for start in range(0, steps * batch_size, batch_size):
            part = slice(start, start + batch_size)
            yield Batch(
                tuple(self.normalise(view[part]) for view in rendered), labels[part], indices[part]
            )

    def through(
        self, view: str, indices: Tensor, generator: torch.Generator, augment: Change = unchanged
    ) -> Iterator[Batch]:
        """Yield the images at `indices`, in order, through a view, which `augment` may change.

        It is asked for every block of images that are made at once, with their labels.
        """
        for first in range(0, len(indices), BLOCK):
            chosen = indices[first : first + BLOCK].to(self.subset.labels.device)
            images, labels = self.subset.images[chosen], self.subset.labels[chosen]
            rendered = render(augment(view_of(view), labels), images, self._augment, generator)
            for start in range(0, len(chosen), CLEAN_BATCH):
                part = slice(start, start + CLEAN_BATCH)
                yield Batch((self.normalise(rendered[part]),), labels[part], chosen[part])

    def clean(self, batch_size: int = CLEAN_BATCH) -> Iterator[Batch]:
        """Yield every image once, in order, not augmented."""
        for start in range(0, len(self.subset.labels), batch_size):
            part = slice(start, start + batch_size)
            labels = self.subset.labels[part].clone()  # a method may write into what it gets
            indices = torch.arange(start, start + len(labels), device=labels.device)
            yield Batch((self.normalise(self.subset.images[part]),), labels, indices)

    def normalise(self, images: Tensor) -> Tensor:
        """Return uint8 images as float32, channels last in memory, by the set's mean and std."""
        count, channels, height, width = images.shape
        made = images.new_empty((count, height, width, channels), dtype=torch.float32)
        size = chunk_size(images)
        # A row of pixels is one line of numbers: by channel the loops inside would be of three.
        factor, shift = self._factor.repeat(width), self._shift.repeat(width)
        for start in range(0, count, size):
            rows = made[start : start + size]
            rows.copy_(images[start : start + size].permute(0, 2, 3, 1))
            rows.view(-1, width * channels).mul_(factor).sub_(shift)
        return made.permute(0, 3, 1, 2)

    @property
    def _augment(self) -> Augment:
        return Augment(self.info.padding, self.info.flip)

    @cached_property
    def _factor(self) -> Tensor:
        return (1 / (255 * _per_channel(self.info.std))).float().to(self.labels.device)

    @cached_property
    def _shift(self) -> Tensor:
        shift = _per_channel(self.info.mean) / _per_channel(self.info.std)
        return shift.float().to(self.labels.device)


def _per_channel(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def generator_of(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator of one purpose of an epoch."""
    return torch.Generator().manual_seed(seed_of(seed, *purpose))
