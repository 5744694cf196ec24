"""cRT: Kang et al., "Decoupling Representation and Classifier for Long-Tailed Recognition",
ICLR 2020.
"""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt

from ltbench import Method, Recipe, Stage


@dataclass
class CRT(Method):
    """Cross-entropy, then a new classifier on frozen features and class-balanced batches.

    Stage 1 is plain training by the protocol's recipe. Stage 2, relative to it: `length` of the
    epochs (30 of 200), the same rate falling by a cosine, no warm-up.
    """

    length: Annotated[float, Gt(0)] = 0.15  # of stage 2, in epochs of stage 1: 30 of 200
    moving: bool = True  # stage 2: the frozen backbone uses and moves batch statistics

    deviations = (
        "no official CIFAR recipe exists: 30 epochs of 200 at 0.1 are ours; ImageNet-LT's are 10 "
        "of 90",
        "an epoch of stage 2 has as many draws as there are images; the release's C times n_max",
        "class-balanced draws with replacement; the release cycles through the classes",
    )

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the representation and that of the classifier."""
        second = recipe.second(self.length)
        return (
            Stage(name="train", recipe=recipe),
            Stage(
                name="classifier",
                recipe=second,
                sampler="class_balanced",
                trainable=("classifier",),
                reset=("classifier",),
                evaluating=() if self.moving else ("backbone",),
            ),
        )
