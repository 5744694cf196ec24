"""Deferred re-weighting: Cao et al., "Learning Imbalanced Datasets with Label-Distribution-Aware
Margin Loss", NeurIPS 2019.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le, Lt
from torch import Tensor

from ltbench import Batch, Clock, Method, Task
from ltbench.api.compose import name_of


@dataclass
class DRW(Method):
    """Weights w_y / mean w on any loss from the share `defer` of the epochs on (Alg. 1).

    w_c = (1 - beta) / (1 - beta^{n_c}), the inverse effective number of images; the mean is over
    the batch, as in the framework's weighted mean. Alone it trains cross-entropy; behind `+` it
    re-weights any loss. In a method of several stages each stage that trains the backbone counts
    its own epochs.
    """

    # of the effective number (1 - beta^n) / (1 - beta)
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9999
    # weights begin at this share of the epochs: 160 of 200
    defer: Annotated[float, Ge(0), Le(1)] = 0.8

    def on_compose(self, parts: tuple[Method, ...]) -> None:
        """Raise TypeError for a base that defers a re-weighting of its own."""
        for part in parts:
            if part is not self and getattr(part, "defer", 1.0) < 1:
                raise TypeError(f"{name_of(part)} defers a re-weighting of its own; leave drw out")

    def setup(self, task: Task) -> None:
        """Derive the weights [C] from the class counts."""
        super().setup(task)
        self.weights = task.effective_weights(self.beta)

    def sample_weights(self, batch: Batch, clock: Clock) -> Tensor:
        """Return ones, and after the deferral weights whose mean over the batch is one."""
        if clock.progress < self.defer:
            return super().sample_weights(batch, clock)
        weights = self.weights[batch.targets]
        return weights / weights.mean()
