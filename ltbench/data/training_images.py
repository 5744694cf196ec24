"""The training images as a method sees them between epochs."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from ltbench.data.augment.graded import Grading
from ltbench.data.batch import Batch
from ltbench.data.feed import Feed


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
        """Return the labels, int64 [N]."""
        return self.feed.subset.labels

    @torch.no_grad()
    def recognised(
        self, network: nn.Module, indices: Tensor, grading: Grading, generator: Generator
    ) -> Tensor:
        """Return whether the network, as it is, predicts the class of each image at `indices`.

        Boolean, as long as `indices`, on the CPU. The images pass through the first view, graded
        as `grading` says and drawn afresh by `generator`, a CPU one.
        """
        hits = [torch.zeros(0, dtype=torch.bool)]
        for batch in self.feed.graded(self.view, indices, grading, generator):
            with self.autocast():
                logits = self.predict(network, batch.images)
            hits.append((logits.argmax(1) == batch.targets).cpu())
        return torch.cat(hits)
