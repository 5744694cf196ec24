"""LWS: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition",
ICLR 2020.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from ltbench import Method, Recipe, Stage
from ltbench.networks import Network, ScaledClassifier


@dataclass
class LWS(Method):
    """Logits f_c (W_c a + b_c): cross-entropy for W and b, then f alone on class-balanced batches.

    Stage 1 is plain training by the protocol's recipe. Stage 2 begins at f = 1 and is, relative
    to it, `length` of the epochs (10 of 200) at the same rate falling by a cosine, no warm-up.
    """

    length: Annotated[float, Gt(0)] = 0.05  # of stage 2, in epochs of stage 1: 10 of 200
    moving: bool = True  # stage 2: the frozen backbone uses and moves batch statistics

    deviations = (
        "no official CIFAR recipe exists: 10 epochs of 200 at 0.1 are ours; ImageNet-LT's are 5 "
        "of 90",
        "an epoch of stage 2 has as many draws as there are images; the release's C times n_max",
        "class-balanced draws with replacement; the release cycles through the classes",
    )

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the network and that of the scales."""
        second = recipe.second(self.length)
        return (
            Stage(name="train", recipe=recipe),
            Stage(
                name="scale",
                recipe=second,
                sampler="class_balanced",
                trainable=("classifier.scale",),
                evaluating=() if self.moving else ("backbone",),
            ),
        )

    def begin_stage(self, network: Network, stage: str) -> Network:
        """Put the scales on the classifier."""
        network.classifier = ScaledClassifier(network.classifier, self.task.num_classes)
        return network
