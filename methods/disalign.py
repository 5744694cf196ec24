"""DisAlign: Zhang et al., "Distribution Alignment: A Unified Framework for Long-tail Visual
Recognition", CVPR 2021.
"""

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Task
from ltbench.networks import Network


@dataclass
class DisAlign(Method):
    """Cross-entropy, then a calibration of the frozen network's logits o.

    (1 + s(a) alpha_c) o_c + s(a) beta_c with the confidence s(a) = sigmoid(v a + b) of features a;
    class weights proportional to (1 / pi_c)^rho. Stage 1 is plain training by the protocol's
    recipe. Stage 2 begins at alpha = beta = 0, which changes no logit, and is, relative to it,
    `length` of the epochs (10 of 200) at the same rate falling by a cosine, no warm-up.
    """

    rho: float = 1.2  # class weights (1 / pi_c)^rho; ImageNet-LT's
    length: Annotated[float, Gt(0)] = 0.05  # of stage 2, in epochs of stage 1: 10 of 200

    deviations = (
        "no official CIFAR recipe exists: 10 epochs of 200 at 0.1 and rho 1.2 are ImageNet-LT's",
        "the calibration is written from the paper; the release's layer was not read",
        "the backbone is in evaluation mode in stage 2",
        "weight decay draws the scale, which starts at 0 and is added to 1, to the identity; the "
        "release decays a scale that starts at 1",
    )

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the network and that of its calibration."""
        second = recipe.second(self.length)
        added = ("classifier.alpha", "classifier.beta", "classifier.confidence.")
        return (
            Stage(name="train", recipe=recipe),
            Stage(
                name="calibration",
                recipe=second,
                trainable=added,
                evaluating=("backbone",),
                method=DisAlignCalibration(self.rho),
            ),
        )

    def begin_stage(self, network: Network, stage: str) -> Network:
        """Put the calibration on the classifier."""
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = CalibratedClassifier(network.classifier, features, classes)
        return network


@dataclass
class DisAlignCalibration(Method):
    """Cross-entropy with class weights proportional to (1 / pi_c)^rho that add up to C."""

    rho: float = 1.2

    registered_name = "disalign_calibration"  # what records call it

    def setup(self, task: Task) -> None:
        """Derive the class weights, [C]."""
        super().setup(task)
        weights = (1 / task.priors.double()) ** self.rho
        self.weights = (weights / weights.mean()).float()

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the weighted cross-entropy, whose mean divides by the batch's sum of weights."""
        weights = self.weights[batch.targets]
        return super().losses(outputs, batch, clock) * weights / weights.mean()


class CalibratedClassifier(nn.Module):
    """A classifier whose logits are scaled and shifted by class, as far as an image is trusted."""

    def __init__(self, classifier: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.classifier, self.confidence = classifier, nn.Linear(features, 1)
        self.alpha, self.beta = (nn.Parameter(torch.zeros(classes)) for _ in range(2))

    def forward(self, features: Tensor) -> Tensor:
        """Return the calibrated logits, [B, C]."""
        logits: Tensor = self.classifier(features)
        with torch.autocast(features.device.type, enabled=False):  # logits stay precise
            trust = self.confidence(features.to(self.alpha.dtype)).sigmoid()  # [B, 1]
            calibrated: Tensor = (1 + trust * self.alpha) * logits + trust * self.beta
        return calibrated
