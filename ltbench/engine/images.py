"""The training images as a method sees them between epochs."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from ltbench.data.feed import Feed
from ltbench.data.graded import Grading
from ltbench.engine.precision import Autocast
from ltbench.method import Method
from ltbench.task import Batch


@dataclass(frozen=True)
class TrainingImages:
    """N training images: clean when called, or through the first view of the method in charge."""

    feed: Feed
    method: Method
    autocast: Autocast

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
        for batch in self.feed.graded(self.method.views[0], indices, grading, generator):
            with self.autocast():
                logits = self.method.predict(network, batch.images)
            hits.append((logits.argmax(1) == batch.targets).cpu())
        return torch.cat(hits)
