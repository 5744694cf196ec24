"""MiSLAS: Zhong et al., "Improving Calibration for Long-Tailed Recognition", CVPR 2021."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Task
from ltbench.blocks.mixup import mixed
from ltbench.networks import Network, ScaledClassifier

FIRST = "mixup"


@dataclass
class MiSLAS(Method):
    """Mixup, Beta(1, 1); then the classifier, scaled by class, on label-aware smoothed targets.

    Class c keeps 1 - eps_c of its label and spreads eps_c over all C: eps_c = tail +
    (head - tail) sin(pi (n_c - n_min) / (2 (n_max - n_min))). Relative to the protocol's recipe:
    rate x 0.1 at each drop; stage 2 class-balanced for `length` of the epochs (10 of 200), cosine
    from the same rate for the scales and `rate` of it for W and b, no warm-up. The variants are
    the release's settings by data set and ratio; CIFAR-100 at 100 is the default.
    """

    head: Annotated[float, Ge(0), Le(1)] = 0.4  # eps of the largest class
    tail: Annotated[float, Ge(0), Le(1)] = 0.1  # eps of the smallest
    rate: Annotated[float, Gt(0)] = 0.2  # of W and b in stage 2, a factor
    shifted: bool = True  # stage 2: the frozen backbone uses and moves batch statistics
    length: Annotated[float, Gt(0)] = 0.05  # of stage 2, in epochs of stage 1: 10 of 200

    version = 2  # the first drew its mixtures within the forward pass, by another stream
    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "cifar10": {"head": 0.3, "tail": 0.0, "rate": 0.5, "shifted": False},
        "cifar10_r50": {"head": 0.2, "tail": 0.0, "rate": 0.2, "shifted": False},
        "cifar100_r50": {"head": 0.3, "tail": 0.0, "rate": 0.1},
    }
    deviations = (
        "class-balanced draws with replacement; the release cycles through the classes",
        "stage 2 starts from the last epoch of stage 1; the release from the best on the test set",
    )

    def setup(self, task: Task) -> None:
        """Derive eps_c, [C]; equal counts are all head."""
        super().setup(task)
        counts = task.class_counts.double()
        rarity = (counts.max() - counts) / (counts.max() - counts.min()).clamp_min(1)
        height = torch.sin(math.pi / 2 * (1 - rarity))
        self.smoothing = (self.tail + (self.head - self.tail) * height).float()

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the representation and that of the classifier."""
        return (
            Stage(name=FIRST, recipe=replace(recipe, decay=0.1)),
            Stage(
                name="classifier",
                recipe=recipe.second(self.length),
                sampler="class_balanced",
                trainable=("classifier.",),
                evaluating=() if self.shifted else ("backbone",),
                rates=(("classifier.classifier.", self.rate),),
            ),
        )

    def begin_stage(self, network: Network, stage: str) -> Network:
        """Put a learnable scale on each class's logit."""
        network.classifier = ScaledClassifier(network.classifier, self.task.num_classes)
        return network

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch, in stage 1 after mixup."""
        return mixed(batch, clock, 1.0) if clock.stage == FIRST else batch

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy, in stage 2 towards smoothed labels, [B]."""
        if clock.stage == FIRST:
            return super().losses(outputs, batch, clock)
        labels = self.smoothed(batch.targets).to(outputs["logits"])
        return F.cross_entropy(outputs["logits"], labels, reduction="none")

    def smoothed(self, targets: Tensor) -> Tensor:
        """Return label-aware smoothed labels, [B, C]; each row adds up to one."""
        classes = self.task.num_classes
        share = self.smoothing[targets].unsqueeze(1)
        return (1 - share) * F.one_hot(targets, classes) + share / classes
