"""BBN: Zhou et al., "BBN: Bilateral-Branch Network with Cumulative Learning for Long-Tailed
Visual Recognition", CVPR 2020.
"""

from dataclasses import dataclass, replace
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage
from ltbench.networks import LinearClassifier, Network
from ltbench.networks.branches import BranchedBackbone, with_stages


@dataclass
class BBN(Method):
    """l CE(o, y_cb) + (1 - l) CE(o, y_rb) on z = 2 [l f_cb; (1 - l) f_rb], l = 1 - (e / E)^2.

    Two branches, the network's last blocks, share all before them. Pairs of images: one drawn
    uniformly for f_cb, one from class c with probability proportional to 1 / n_c for f_rb. A batch
    holds them in turn, the recipe's batch size of each. At test time both branches see the image,
    l = 1/2. Official recipe, relative to the protocol's: rate dropped at 0.6 and 0.8 of the epochs.
    """

    deviations = (
        "both halves of a batch pass the shared trunk together, so its batch norm sees them as one",
        "warm-up is the protocol's, a fifth of the rate more each epoch; the release's goes over "
        "0.467, 0.6, 0.733 and 0.867 of the rate, and its drops come one epoch earlier",
    )

    def build(self, network: Network) -> Network:
        """Give the network a second last block, and a head on the features of both."""
        network.backbone = two_ends(network.backbone)
        network.classifier = LinearClassifier(network.backbone.out_features, self.task.num_classes)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the one stage; its batches hold pairs."""
        paired = replace(recipe, batch_size=2 * recipe.batch_size, milestones=(0.6, 0.8))
        return (Stage(name="train", recipe=paired, sampler="reversed_pairs"),)

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch as it is: pairs are of two distributions, so no modifier may mix."""
        return batch

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return features and logits of each pair, for both of its images."""
        share = torch.tensor(self.share(clock), device=batch.images.device)
        parts = cast(Network, network)
        features = parts.backbone.dealt(batch.images)  # [B / 2, 2 D]
        halves = torch.stack((share, 1 - share)).repeat_interleave(features.shape[1] // 2)
        mixed = 2 * halves * features
        logits = parts.classifier(mixed)
        return {name: value.repeat_interleave(2, 0) for name, value in
                (("features", mixed), ("logits", logits))}  # fmt: skip

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy times twice its branch's share, so that means are pairs'."""
        share = self.share(clock)
        losses = F.cross_entropy(outputs["logits"], batch.targets, reduction="none")
        weights = losses.new_tensor([2 * share, 2 * (1 - share)])
        return losses * weights.repeat(len(losses) // 2)

    def share(self, clock: Clock) -> float:
        """Return l, the conventional branch's share, falling from one."""
        return 1 - clock.progress**2


def two_ends(backbone: nn.Module) -> BranchedBackbone:
    """Return a backbone with two last blocks: its own, and a freshly initialised one."""
    trunk = with_stages(backbone)
    *shared, last = trunk.stages[-1]
    ends = last, trunk.fresh_block()
    trunk.stages[-1] = nn.Sequential(*shared)
    return BranchedBackbone(trunk, ends, trunk.out_features)
