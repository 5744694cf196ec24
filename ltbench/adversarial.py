"""A classifier trained on adversarial features, as the second stage of a method."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.method import Method, Outputs
from ltbench.task import Batch, Clock


@dataclass
class Adversarial(Method):
    """(1 - t/T) L(z) + t/T L(z_adv) on z_adv = z + strength * g / |g|, in epoch t of T.

    g is the gradient by an image's features z; t / T stops at `limit`. `weighted`: the images of a
    class share one norm, and v_c = log(n_max / n_c + 0.01) / 2 scales displacement and loss of
    z_adv.
    """

    strength: float = 1.0
    limit: float = 1.0
    weighted: bool = False

    registered_name = "adversarial_classifier"  # what records call it

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return the outputs, the "adversarial" logits [B, C] and their "weights" [B]."""
        outputs, head = super().forward(network, batch, clock), network.get_submodule("classifier")
        features, targets = outputs["features"].detach().requires_grad_(), batch.targets
        value = F.cross_entropy(head(features), targets, reduction="sum")
        (slopes,) = torch.autograd.grad(value, features)
        squares, weights = slopes.square().sum(1), torch.ones_like(slopes[:, 0])  # [B]
        if self.weighted:
            squares = (targets.unsqueeze(1) == targets).to(squares) @ squares
            counts = self.task.class_counts
            weights = 0.5 * (counts.max() / counts[targets] + 0.01).log().to(weights)
        factors = self.strength * weights / squares.sqrt().clamp_min(1e-30)
        moved = features.detach() + factors.unsqueeze(1) * slopes
        return {**outputs, "adversarial": head(moved), "weights": weights}

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the mixed cross-entropy, [B]; the epoch t counts from one."""
        share = min((clock.epoch + 1) / clock.epochs, self.limit)
        adversarial = F.cross_entropy(outputs["adversarial"], batch.targets, reduction="none")
        plain = super().losses(outputs, batch, clock)
        return (1 - share) * plain + share * outputs["weights"] * adversarial
