"""Class-balanced loss: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples",
CVPR 2019.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Lt
from torch import Tensor

from ltbench import Batch, Clock, Method, Task


@dataclass
class ClassBalancedLoss(Method):
    """(1 - beta) / (1 - beta^{n_y}) times any loss (Eq. 10), factors scaled to sum to C.

    Alone it re-weights cross-entropy; behind `+` any other, as focal. beta = 0 is the plain loss,
    beta towards 1 weighs by 1 / n_y. `drw(defer=0)` is LDAM-DRW's normalisation.
    """

    # of the effective number (1 - beta^n) / (1 - beta)
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9999

    deviations = (
        "softmax losses with the protocol's recipe; the paper also trains sigmoids",
        "factors sum to the number of classes, as in the paper's code; LDAM-DRW's code divides by "
        "the factors' mean over the batch, which is drw(defer=0)",
    )

    def setup(self, task: Task) -> None:
        """Derive the factors [C] from the class counts."""
        super().setup(task)
        self.factors = task.effective_weights(self.beta)

    def sample_weights(self, batch: Batch, clock: Clock) -> Tensor:
        """Return the factors of the targets, [B]."""
        return self.factors[batch.targets]
