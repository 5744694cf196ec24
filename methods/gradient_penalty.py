"""Gradient-norm penalty: Zhao et al., "Penalizing Gradient Norm for Efficiently Improving
Generalization in Deep Learning", ICML 2022.
"""

from dataclasses import dataclass

from ltbench import Method, Step
from ltbench.api.perturb import inner, scaled


@dataclass
class GradientPenalty(Method):
    """Descend along (1 - alpha) grad L(w) + alpha grad L(w + rho g / |g|), g = grad L(w).

    To first order in rho this is the gradient of L + alpha rho |grad L|, without second
    derivatives. alpha = 1 is SAM, alpha = 0 the plain gradient. Alone it trains cross-entropy;
    behind `+` it modifies any objective.
    """

    alpha: float = 0.8
    rho: float = 0.1  # the official recipes' on CIFAR

    deviations = ("batch statistics move in the first pass only",)

    def __post_init__(self) -> None:
        if self.rho < 0 or not 0 <= self.alpha <= 1:
            raise ValueError("rho must not be negative, alpha lies from 0 to 1")

    def backward(self, step: Step) -> None:
        """Two passes: the gradient here is used for its share and gives the displacement."""
        gradient = step.gradients(step.objective())
        displaced = step.objective(scaled(gradient, self.rho))
        weights = dict(step.network.named_parameters())
        # The gradient of <g, w> is g: both shares in one descent.
        step.descend(self.alpha * displaced + (1 - self.alpha) * inner(gradient, weights))
