"""SAM: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
ICLR 2021; for long tails Rangwani et al., "Escaping Saddle Points for Effective Generalization
on Class-Imbalanced Data", NeurIPS 2022.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from ltbench import Method, Step
from ltbench.api.perturb import scaled


@dataclass
class SAM(Method):
    """Descend along the gradient at w + rho g / |g|: one global norm, no weight decay in g.

    g is the gradient of the mean loss alone. A penalty of another part, like weight decay, takes
    no part in the ascent and is descended at w.

    Alone it trains cross-entropy; behind `+` it modifies any objective. The long-tailed paper's
    CIFAR radii are 0.1 and 0.2 on CE (CIFAR-10, CIFAR-100) and 0.8 on LDAM-DRW.
    """

    rho: Annotated[float, Ge(0)] = 0.05  # of the first paper

    kinds = ("single", "multi")

    deviations = (
        "batch statistics move in the first pass only, as the optimiser's authors recommend; "
        "the long-tailed release moves them in both",
    )

    def backward(self, step: Step) -> None:
        """Two passes: the gradient here gives the ascent, the gradient there is used."""
        ascent = scaled(step.gradients(step.losses(step.forward()).mean()), self.rho)
        step.descend(step.losses(step.forward(ascent)).mean() + step.penalty())
