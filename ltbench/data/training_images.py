"""The training images as a method sees them between epochs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ltbench.data.batch import Batch
from ltbench.data.feed import Change, Feed, unchanged


@dataclass(frozen=True)
class TrainingImages:
    """N training images: clean when called, or through the first view of the method in charge."""

    feed: Feed
    view: str
    predict: Callable[[nn.Module, Tensor], Tensor]
    autocast: Callable[[], AbstractContextManager[Any]]

    def __call__(self) -> Iterator[Batch]:
        """Yield every image once, in order, not augmented."""
        return self.feed.clean()

    @property
    def targets(self) -> Tensor:
        """Return a copy of the labels, int64 [N]."""
        return self.feed.labels.clone()

    def views(
        self, indices: Tensor, generator: Generator, augment: Change = unchanged
    ) -> Iterator[Batch]:
        """Yield the images at `indices`, in order, through the first view.

        They are drawn afresh by `generator`, a CPU one. `augment(view, targets)` may change the
        view, as the hook of that name does; it is asked for every block of images made at once.
        """
        return self.feed.through(self.view, indices, generator, augment)

    @torch.no_grad()
    def logits(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return the logits [B, C] by which the method in charge predicts, at the run's precision.

        The network stays in its mode, training or evaluation; no gradient is taken.
        """
        with self.autocast():
            return self.predict(network, images)
