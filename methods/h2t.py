"""H2T: Li et al., "Feature Fusion from Head to Tail for Long-Tailed Visual Recognition",
AAAI 2024.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, cast

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage
from ltbench.blocks.mixup import mixed
from ltbench.networks import Network

FIRST = "mixup"


@dataclass
class H2T(Method):
    """Mixup, Beta(1, 1); then the classifier on CE(m f_u + (1 - m) f_b, y_b), m in {0, 1}^D.

    Pairs of images: f_b of one whose class is drawn uniformly, f_u of one drawn uniformly; m
    picks `share` of the D channels, at random in each step and the same for all its pairs.
    Channels are swapped after pooling, which is the paper's swap of feature maps: the pooling is
    linear and keeps channels apart. Relative to the protocol's recipe: rate x 0.1 at each drop;
    stage 2 for `length` of the epochs (10 of 200), cosine from `rate` of the rate, `decay`
    times the weight decay, no warm-up, the recipe's batch size of pairs. Both batches pass the
    network by themselves; the frozen backbone uses and moves batch statistics. share = 0 is the
    control. The variant is the release's for CIFAR-100 at ratio 50; at 100 it has the default.
    """

    share: Annotated[float, Ge(0), Le(1)] = 0.25  # of the channels that come from the uniform image
    rate: Annotated[float, Gt(0)] = 0.2  # of the learning rate, in stage 2
    decay: Annotated[float, Ge(0)] = 2.5  # of the weight decay, in stage 2
    length: Annotated[float, Gt(0)] = 0.05  # of stage 2, in epochs of stage 1: 10 of 200

    variants: ClassVar[dict[str, dict[str, Any]]] = {"cifar100_r50": {"decay": 1.0}}
    deviations = (
        "CIFAR-100's settings on every data set; the release has none for CE on CIFAR-10",
    )

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the representation and that of the classifier, on pairs."""
        second = replace(
            recipe.second(self.length),
            batch_size=2 * recipe.batch_size,
            learning_rate=self.rate * recipe.learning_rate,
            weight_decay=self.decay * recipe.weight_decay,
        )
        return (
            Stage(name=FIRST, recipe=replace(recipe, decay=0.1)),
            Stage(
                name="classifier",
                recipe=second,
                sampler="balanced_pairs",
                trainable=("classifier.",),
            ),
        )

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return mixed images, or in stage 2 the pairs: balanced images, then uniform ones."""
        if clock.stage == FIRST:
            return mixed(batch, clock, 1.0)
        places = torch.arange(len(batch.targets), device=batch.targets.device).view(-1, 2)
        uniform, balanced = map(batch.select, places.unbind(1))
        return balanced._replace(views=(balanced.images, uniform.images))

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return features and logits, in stage 2 of the fused pairs."""
        if clock.stage == FIRST:
            return super().forward(network, batch, clock)
        parts = cast(Network, network)
        # Two passes, so that neither batch's statistics normalise the other.
        balanced, uniform = (parts.backbone(view) for view in batch.views)
        mask = self.swapped(balanced.shape[1], clock).to(balanced.device)
        features = torch.where(mask, uniform, balanced)
        return {"features": features, "logits": parts.classifier(features)}

    def swapped(self, channels: int, clock: Clock) -> Tensor:
        """Return m, a boolean mask [D]; it is the clock's."""
        order = torch.randperm(channels, generator=clock.generator("fusion"))
        return order < round(self.share * channels)
