"""RIDE: Wang et al., "Long-tailed Recognition by Routing Diverse Distribution-Aware Experts",
ICLR 2021.
"""

from dataclasses import dataclass, replace
from typing import Annotated, cast

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Task
from ltbench.blocks.margins import ldam_margins, lowered
from ltbench.networks import Network
from ltbench.networks.branches import Blocks, BranchedBackbone
from ltbench.networks.heads import CosineClassifier
from ltbench.networks.resnet import Backbone, initialise, stage


@dataclass
class RIDE(Method):
    """Sum over experts k of LDAM-DRW(o_k) + diversity T_m^2 KL(softmax(o / T) | softmax(o_k / T)).

    o is the experts' mean, constant under the KL; it predicts. The experts share the first stage
    of the network; later stages have widths 24 and 48 and a cosine head of scale 30. T_c is one
    and, from the share `defer` of the epochs, 0.95 + 0.05 C pi_c divided by its largest value; T_m
    is its mean. Official recipe, relative to the protocol's: Nesterov, decay x 2.5 (5e-4).
    """

    number: Annotated[int, Ge(1)] = 3  # of experts
    diversity: float = -0.45  # negative: experts are driven apart
    max_margin: float = 0.5  # C: the margins are C (n_min / n_c)^{1/4}
    scale: Annotated[float, Gt(0)] = 30.0  # s of the cosine logits s cos
    # of the effective number (1 - beta^n) / (1 - beta)
    beta: Annotated[float, Ge(0), Lt(1)] = 0.9999
    # weights begin at this share of the epochs: 160 of 200
    defer: Annotated[float, Ge(0), Le(1)] = 0.8

    deviations = (
        "without the router and without distillation, the paper's optional second stages",
        "crop and flip only; the release also rotates by up to 15 degrees",
    )

    def setup(self, task: Task) -> None:
        """Derive margins, deferred weights and deferred temperatures, each [C]."""
        super().setup(task)
        self.margins = ldam_margins(task.class_counts, self.max_margin)
        self.weights = task.effective_weights(self.beta)
        temperatures = 0.95 + 0.05 * task.num_classes * task.priors.double()
        self.temperatures = (temperatures / temperatures.max()).float()

    def build(self, network: Network) -> Network:
        """Part the network after its first stage, one narrower end and head an expert."""
        network.backbone = experts(network.backbone, self.number, (24, 48))
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = ExpertClassifier(features, classes, self.number, self.scale)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the one stage."""
        decay = 2.5 * recipe.weight_decay
        return (Stage(name="train", recipe=replace(recipe, nesterov=True, weight_decay=decay)),)

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return features, the mean logits and those of the "experts", [B, K, C]."""
        parts = cast(Network, network)
        features = parts.backbone(batch.images)
        each = cast(ExpertClassifier, parts.classifier).each(features)
        return {"features": features, "logits": each.mean(1), "experts": each}

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the sum over the experts, [B]; their weighted mean divides by summed weights."""
        late = clock.progress >= self.defer
        weights = self.weights[batch.targets] if late else torch.ones_like(outputs["logits"][:, 0])
        temperatures = self.temperatures if late else torch.ones_like(self.temperatures)
        mean = (outputs["logits"].detach() / temperatures).log_softmax(1)
        total = torch.zeros_like(mean[:, 0])
        for logits in outputs["experts"].unbind(1):
            against = lowered(logits, batch.targets, self.margins, self.scale)
            fit = F.cross_entropy(against, batch.targets, reduction="none")
            own = (logits / temperatures).log_softmax(1)
            apart = F.kl_div(own, mean, reduction="none", log_target=True).sum(1)
            total = total + fit * weights / weights.mean()
            total = total + self.diversity * temperatures.mean() ** 2 * apart
        return total


class ExpertClassifier(nn.Module):
    """The mean of K cosine classifiers, each on its own part of the features [B, K D]."""

    def __init__(self, in_features: int, classes: int, experts: int, scale: float) -> None:
        super().__init__()
        size = in_features // experts
        self.experts = nn.ModuleList(CosineClassifier(size, classes, scale) for _ in range(experts))

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean logits, [B, C]."""
        return self.each(features).mean(1)

    def each(self, features: Tensor) -> Tensor:
        """Return every expert's logits, [B, K, C]."""
        parts = features.chunk(len(self.experts), 1)
        own = [expert(part) for expert, part in zip(self.experts, parts, strict=True)]
        return torch.stack(own, 1)


def experts(backbone: Backbone, count: int, widths: tuple[int, int]) -> BranchedBackbone:
    """Return a backbone that shares its first stage only, with `count` ends of other widths."""
    first = cast(Blocks, backbone.stages[0])
    blocks, width = len(first), first[-1].conv2.out_channels
    ends = [
        nn.Sequential(stage(blocks, width, widths[0], 2), stage(blocks, widths[0], widths[1], 2))
        for _ in range(count)
    ]
    for end in ends:
        initialise(end)
    backbone.stages = nn.Sequential(backbone.stages[0])
    return BranchedBackbone(backbone, ends, widths[1])
