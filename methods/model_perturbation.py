"""Random perturbation of weights, towards flat minima: Shi et al., "Overcoming Catastrophic
Forgetting in Incremental Few-Shot Learning by Finding Flat Minima", NeurIPS 2021.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn

from ltbench import Method, Perturbation, Step
from ltbench.errors import UsageError


@dataclass
class ModelPerturbation(Method):
    """Mean objective over `draws` random displacements of the last `layers` convolutions.

    Every filter f is displaced by uniform noise stretched to the length size |f|. Alone it trains
    cross-entropy; behind `+` it modifies any objective. size = 0 is the control.
    """

    size: Annotated[float, Ge(0)] = 0.05  # length of the noise on a filter f, of |f|
    draws: Annotated[int, Ge(1)] = 2  # displacements that the objective is the mean over
    layers: Annotated[int, Ge(1)] = 4  # convolutions from the last that are displaced

    deviations = (
        "noise relative to a filter's norm; the paper's +-0.005, absolute, means less and less "
        "before batch normalisation as filters grow, and is 0.05 of a filter at the start",
        "uniform noise; the release draws it on a grid of five points",
        "without the term that holds class prototypes, which belongs to incremental learning",
        "batch statistics move in an undisplaced pass that takes no gradient",
    )

    def backward(self, step: Step) -> None:
        """Descend along the mean gradient at the displaced weights."""
        with torch.no_grad():
            step.losses(step.forward())
        generator = step.clock.generator("perturbation")
        for _ in range(self.draws):
            step.descend(step.objective(self._perturbation(step.network, generator)) / self.draws)

    def _perturbation(self, network: nn.Module, generator: torch.Generator) -> Perturbation:
        """Draw a displacement of the last convolutions, filter by filter."""
        modules = network.named_modules()
        names = [f"{name}.weight" for name, part in modules if isinstance(part, nn.Conv2d)]
        plain = dict(network.named_parameters())
        if not plain.keys() >= set(names):
            raise UsageError("model_perturbation displaces plain weights; these are parametrised.")
        weights = {name: plain[name].detach() for name in names[-self.layers :]}
        return {name: self._noise(weight, generator) for name, weight in weights.items()}

    def _noise(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        noise = (torch.rand(weight.shape, generator=generator) - 0.5).to(weight)
        lengths = weight.flatten(1).norm(dim=1) / noise.flatten(1).norm(dim=1)
        noise *= self.size * lengths.view(-1, 1, 1, 1)
        return noise
