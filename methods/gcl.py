"""GCL: Li et al., "Long-tailed Visual Recognition via Gaussian Clouded Logit Adjustment",
CVPR 2022.
"""

from dataclasses import dataclass, replace
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Task
from ltbench.blocks.mixup import mixed
from ltbench.networks import CosineClassifier, Network


@dataclass
class GCL(Method):
    """Cross-entropy on s (cos_c - noise delta_c |e_c|), e normal of deviation 1/3 within [-1, 1].

    Cloud sizes delta_c = (log n_max - log n_c) / (log n_max - log n_min); every logit of an image
    has a draw. Stage 2 trains the classifier on balanced draws, with a margin on the target, its
    own scale and the factor (1 - p_y)^gamma, which takes no gradient. Images are mixed in both
    (alpha; 0: not). Official recipe, relative to the protocol's: half the batch (64), rate x 0.1
    at each drop; stage 2 for 0.15 of the epochs (30), cosine from 0.02 of the rate. noise = 0 is
    the control.
    """

    noise: Annotated[float, Ge(0)] = 0.5  # factor on the clouds delta_c |e_c|
    scale: Annotated[float, Gt(0)] = 30.0  # s of stage 1's cosine logits
    margin: Annotated[float, Ge(0)] = 0.1  # on the target's cosine in stage 2
    classifier_scale: Annotated[float, Gt(0)] = 20.0  # s of stage 2's cosine logits
    gamma: Annotated[float, Ge(0)] = 1.0  # exponent of (1 - p_y) in stage 2
    alpha: Annotated[float, Ge(0)] = 1.0  # images are mixed by Beta(alpha, alpha); 0: not

    deviations = (
        "the two labels of a mixed image share one draw of the noise",
        "stage 2 starts from the last epoch of stage 1; the release from the best on the test set",
    )

    def setup(self, task: Task) -> None:
        """Derive the cloud sizes [C] from the class counts; equal counts have none."""
        super().setup(task)
        logs = task.class_counts.double().log()
        sizes = logs.max() - logs
        self.clouds = (sizes / sizes.max().clamp_min(1e-12)).float()

    def build(self, network: Network) -> Network:
        """Give the network a cosine head, with stage 1's scale."""
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = CosineClassifier(features, classes, self.scale)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the representation and that of the classifier."""
        first = replace(recipe, batch_size=max(1, recipe.batch_size // 2), decay=0.1)
        second = replace(first.second(0.15), learning_rate=0.02 * recipe.learning_rate)
        return (
            Stage(name="representation", recipe=first),
            Stage(
                name="classifier",
                recipe=second,
                sampler="class_balanced",
                trainable=("classifier.",),
                evaluating=("backbone",),
            ),
        )

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch after mixup."""
        return mixed(batch, clock, self.alpha)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy of the clouded logits, [B]."""
        cosines = outputs["logits"] / self.scale
        draws = torch.randn(cosines.shape, generator=clock.generator("clouds"))
        draws = (draws / 3).clamp(-1, 1).abs().to(cosines)
        clouded = cosines - self.noise * self.clouds * draws
        if clock.stage == "representation":
            return F.cross_entropy(self.scale * clouded, batch.targets, reduction="none")
        own = F.one_hot(batch.targets, self.task.num_classes).to(cosines)
        logits = self.classifier_scale * (clouded - self.margin * own)
        losses = F.cross_entropy(logits, batch.targets, reduction="none")
        return (1 - losses.detach().neg().exp()) ** self.gamma * losses
