"""BCL: Zhu et al., "Balanced Contrastive Learning for Long-Tailed Visual Recognition",
CVPR 2022.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage
from ltbench.networks import CosineClassifier, Network
from ltbench.networks.heads import ProjectionHead


@dataclass
class BCL(Method):
    """alpha L_LC + beta L_BCL: logit-compensated CE on one view, contrast between two others.

    L_LC is the cross-entropy of the cosine logits + log pi. In L_BCL an anchor z_i, one of the 2B
    projections of views 2 and 3, meets 2B + C keys k: these projections and one prototype a class.
    With b_c images of class c in the batch, w_ik = 2 b_{y_k} + 1 - [y_k = y_i] (class averaging;
    the prototypes are the class complement) and P(i) the 2 b_{y_i} other keys of its class,

        L_i = mean_{k in P(i)} -z_i z_k / tau + log sum_{k != i} exp(z_i z_k / tau) / w_ik.

    The three views pass through the network together, so batch statistics mix them. Prototypes are
    a head of their own on the classifier's weights [C, D]; its batch norm sees the C classes.

    The official CIFAR settings as factors of the recipe in hand, which are they under `paper`:
    2 x batch (256), 1.5 x rate (0.15), 2.5 x weight decay (5e-4), x0.1 at each milestone; warm-up,
    milestones and epochs as they are (5; 160 and 180 of 200); last batch dropped.
    """

    views = ("autoaugment", "contrastive", "contrastive")

    alpha: float = 2.0  # CIFAR; ImageNet: 1.0
    beta: float = 0.6  # CIFAR; ImageNet: 0.35
    tau: float = 0.1  # CIFAR; ImageNet: 0.07
    scale: float = 30.0
    hidden: int = 512  # of both heads; ImageNet: 2048
    width: int = 128  # of projections and prototypes; ImageNet: 1024

    deviations = (
        "no CIFAR script was released: heads, weights and schedule are those its "
        "re-implementations share; no Gaussian blur, and the last partial batch is dropped",
    )

    def __post_init__(self) -> None:
        if min(self.tau, self.scale, self.hidden, self.width) <= 0:
            raise ValueError("tau, scale, hidden and width must be positive")
        if min(self.alpha, self.beta) < 0:
            raise ValueError("alpha and beta must not be negative")

    def build(self, network: Network) -> Network:
        """Give the network a cosine classifier and two heads that only training uses."""
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = CosineClassifier(features, classes, self.scale)
        network.projection = ProjectionHead(features, self.hidden, self.width)
        network.prototypes = ProjectionHead(features, self.hidden, self.width)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return one stage by the official settings, relative to the recipe."""
        own = replace(
            recipe,
            batch_size=2 * recipe.batch_size,
            learning_rate=1.5 * recipe.learning_rate,
            weight_decay=2.5 * recipe.weight_decay,
            decay=0.1,
            drop_last=True,
        )
        return (Stage("train", own),)

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return logits and features of view 1, projections [B, 2, P] and prototypes [C, P]."""
        size = len(batch.targets)
        every: Outputs = network(torch.cat(batch.views))
        part = network.get_submodule
        projections = part("projection")(every["features"])[size:]
        prototypes = part("prototypes")(part("classifier").weight)
        return {
            "logits": every["logits"][:size],
            "features": every["features"][:size],
            "projections": projections.unflatten(0, (2, size)).transpose(0, 1),
            "prototypes": prototypes,
        }

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return for each image its compensated CE and the mean contrast of its two anchors."""
        compensated = outputs["logits"] + self.task.priors.log()
        losses = F.cross_entropy(compensated, batch.targets, reduction="none")
        anchors = outputs["projections"].transpose(0, 1).flatten(0, 1)
        contrast = balanced_contrast(anchors, batch.targets, outputs["prototypes"], self.tau)
        return self.alpha * losses + self.beta * contrast.view(2, -1).mean(0)

    def finalize(self, network: nn.Module) -> None:
        """Drop the heads that only training uses."""
        del network.projection, network.prototypes


def balanced_contrast(anchors: Tensor, targets: Tensor, prototypes: Tensor, tau: float) -> Tensor:
    """Return L_i of every anchor, [2B]; anchors [2B, P] are all of one view, then of the other."""
    classes = torch.arange(len(prototypes), device=targets.device)
    labels = targets.repeat(2)
    keys, key_labels = torch.cat((anchors, prototypes)), torch.cat((labels, classes))
    members = 2 * F.one_hot(targets, len(prototypes)).sum(0)  # 2 b_c, [C]
    same = labels[:, None] == key_labels  # [2B, 2B + C]
    itself = torch.eye(*same.shape, dtype=torch.bool, device=same.device)
    similarity = anchors @ keys.T / tau
    weights = (members[key_labels] + 1 - same.long()).to(similarity.dtype)  # at least 1
    others = (similarity - weights.log()).masked_fill(itself, -torch.inf)
    positive = (similarity * (same & ~itself)).sum(1) / members[labels]
    return others.logsumexp(1) - positive
