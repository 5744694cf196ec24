"""Re-sampling: cross-entropy on balanced draws, as compared in Kang et al., "Decoupling
Representation and Classifier for Long-Tailed Recognition", ICLR 2020.
"""

from dataclasses import dataclass
from typing import Literal

from ltbench import Method, Recipe, Stage


@dataclass
class Resampling(Method):
    """Draw class c with probability n_c^q / sum_j n_j^q (Eq. 1): q = 0, or 1/2 for the root.

    An epoch is N draws with replacement; instance-balanced draws (q = 1) are the control.
    """

    # how images are drawn: classes alike, by the root of their counts, or images alike
    sampler: Literal["class_balanced", "square_root", "instance_balanced"] = "class_balanced"

    deviations = (
        "independent draws; class-aware sampling as released cycles through the classes",
        "trained end to end by the protocol's recipe",
    )

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return one stage of the recipe on re-sampled images."""
        return (Stage(name="train", recipe=recipe, sampler=self.sampler),)
