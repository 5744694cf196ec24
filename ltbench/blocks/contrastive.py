"""Classification of one view beside balanced contrast between two others, for methods with both."""

from dataclasses import dataclass
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt
from torch import Tensor, nn

from ltbench.api.method import Method, Outputs
from ltbench.api.task import Clock
from ltbench.data.batch import Batch
from ltbench.networks import CosineClassifier, Network
from ltbench.networks.heads import ProjectionHead


@dataclass
class Contrastive(Method):
    """alpha times the classification of view 1 plus beta times the contrast of views 2 and 3.

    The classifier is a cosine one. Two heads that only training uses give projections and, from
    the classifier's weights, prototypes; the three views pass through the network together.
    """

    views = ("autoaugment", "contrastive", "contrastive")

    alpha: Annotated[float, Ge(0)] = 2.0  # weight of L_LC; ImageNet: 1.0
    beta: Annotated[float, Ge(0)] = 0.6  # weight of L_BCL; ImageNet: 0.35
    tau: Annotated[float, Gt(0)] = 0.1  # temperature of the contrast; ImageNet: 0.07
    scale: Annotated[float, Gt(0)] = 30.0  # s of the cosine logits s cos
    hidden: Annotated[int, Gt(0)] = 512  # of both heads; ImageNet: 2048
    width: Annotated[int, Gt(0)] = 128  # of projections and prototypes; ImageNet: 1024

    def build(self, network: Network) -> Network:
        """Give the network a cosine classifier and two heads that only training uses."""
        features, classes = network.backbone.out_features, self.task.num_classes
        network.classifier = CosineClassifier(features, classes, self.scale)
        network.projection = ProjectionHead(features, self.hidden, self.width)
        network.prototypes = ProjectionHead(features, self.hidden, self.width)
        return network

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

    def classification(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the loss of each image's logits, [B]."""
        return F.cross_entropy(logits, targets, reduction="none")

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return for each image its classification loss and the mean contrast of its two anchors.

        Outputs without projections have the first term alone.
        """
        losses = self.classification(outputs["logits"], batch.targets)
        if "projections" not in outputs:
            return self.alpha * losses
        anchors = outputs["projections"].transpose(0, 1).flatten(0, 1)
        contrast = balanced_contrast(anchors, batch.targets, outputs["prototypes"], self.tau)
        return self.alpha * losses + self.beta * contrast.view(2, -1).mean(0)

    def finalize(self, network: nn.Module) -> None:
        """Drop the heads that only training uses."""
        del network.projection, network.prototypes


def balanced_contrast(anchors: Tensor, targets: Tensor, prototypes: Tensor, tau: float) -> Tensor:
    """Return the balanced contrastive loss L_i of every anchor, [2B].

    Anchors [2B, P] are all of one view, then of the other; the prototypes [C, P] are keys besides.
    With s_ik = anchor_i . key_k / tau, b_c images of class c, w_ik = 2 b_c + 1 keys of k's class c,
    one fewer for i's own, and the sum over the positives p != i:
    L_i = log sum_{k != i} exp(s_ik) / w_ik - sum_p s_ip / (2 b_{y_i}).
    """
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
