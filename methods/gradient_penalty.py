"""Gradient-norm penalty: Zhao et al., "Penalizing Gradient Norm for Efficiently Improving
Generalization in Deep Learning", ICML 2022.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from ltbench import Method, Step
from ltbench.api.perturb import inner, scaled


@dataclass
class GradientPenalty(Method):
    """Descend along (1 - alpha) grad L(w) + alpha grad L(w + rho g / |g|), g = grad L(w).

    To first order in rho this is the gradient of L + alpha rho |grad L|, without second
    derivatives. alpha = 1 is SAM, alpha = 0 the plain gradient. Alone it trains cross-entropy;
    behind `+` it modifies any objective.
    """

    alpha: Annotated[float, Ge(0), Le(1)] = 0.8  # share of the gradient at the displaced weights
    # length of the displacement rho g / |g|; the official recipes' on CIFAR
    rho: Annotated[float, Ge(0)] = 0.1

    deviations = ("batch statistics move in the first pass only",)

    def backward(self, step: Step) -> None:
        """Two passes: the gradient here is used for its share and gives the displacement."""
        gradient = step.gradients(step.objective())
        displaced = step.objective(scaled(gradient, self.rho))
        weights = dict(step.network.named_parameters())
        # The gradient of <g, w> is g: both shares in one descent.
        step.descend(self.alpha * displaced + (1 - self.alpha) * inner(gradient, weights))
