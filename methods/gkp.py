"""GKP, group knowledge preservation: "Reframing Long-Tailed Learning via Loss Landscape
Geometry", CVPR 2026.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from ltbench import Clock, Task
from ltbench.analysis.anchors import Quadratic, draw, fisher_at
from ltbench.analysis.encoder import encoder_of, encoder_parameters
from ltbench.grouped import Data, Grouped

CLIP = 100.0  # times its mean: what an entry of a group's Fisher may be at most
CEILING = 10.0  # of lambda A: SGD of momentum 0.9 diverges where (1 - alpha) lambda A > 3.8 / rate


@dataclass
class GKP(Grouped):
    """alpha L + (1 - alpha) lambda / 2 sum_j (1 - w_j) / n_j F_j (theta - theta*_j)^2 (Eq. 6, 16).

    Each class keeps the encoder at which its feature quality Q = Dis - beta log Var was best
    (Eq. 1, 17-19); normalised cuts partition the classes by these encoders (Eq. 2); a group's
    anchor theta*_j is their mean over its classes (Eq. 3) and F_j its diagonal Fisher there, a mean
    over images, divided by the group's n_j training images (`mean`: not divided; `unit`: scaled to
    mean 1, for strengths of 0.001 to 1). The sum over groups g of the penalties of all others,
    weighted by their shares w of the training images, is one over the anchors with 1 - w_j: the
    quadratic A (theta - m)^2 + const of two encoder-sized vectors, zero where all anchors are.
    alpha (Eq. 20), per epoch, is 1 while there are no anchors.
    """

    strength: float = 100.0  # lambda
    alpha_start: float = 0.95
    alpha_end: float = 0.6
    fisher: Literal["paper", "mean", "unit"] = "paper"
    fisher_images: int = 400  # per group, about

    deviations = (
        "groups first after 5 % of the epochs, then every 5 % until 80 %, where they freeze",
        "feature quality on at most 16 training images a class under a fresh random crop; the "
        "release measures on test images",
        "quality of features as Eq. 17-19 write them: scaled to unit length, it is best while they "
        "are collapsed",
        "affinity of encoders without their mean over the classes",
        "Fisher of the logit-compensated cross-entropy, a mean over about 400 images a group, "
        "clipped at 100 times its mean and where lambda times the groups' sum would exceed 10, so "
        "that steps at rate 0.15 cannot diverge",
        "penalty on the encoder alone; with gsa at the undisplaced weights",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups < 2:
            raise ValueError("with one group there is no other group to preserve, so no penalty")
        if min(self.strength, self.fisher_images - 1) < 0:
            raise ValueError("strength is at least 0, fisher_images at least 1")
        if not (0 < self.alpha_end <= 1 and 0 < self.alpha_start <= 1):
            raise ValueError("alpha_start and alpha_end lie above 0 and at most at 1")

    def bind(self, task: Task) -> None:
        """Begin without anchors."""
        super().bind(task)
        self.state |= {"anchored": torch.zeros((), dtype=torch.int64), "shown": {}}

    def alpha(self, clock: Clock) -> float:
        """Return the loss's share at an epoch, counted from zero (Eq. 20)."""
        cosine = math.cos(math.pi * clock.epoch / clock.epochs)
        return self.alpha_end + 0.5 * (self.alpha_start - self.alpha_end) * (1 + cosine)

    def loss_weight(self, clock: Clock) -> float:
        """Return alpha once there are anchors."""
        return self.alpha(clock) if "penalty" in self.state else 1.0

    def penalty(self, network: nn.Module, clock: Clock) -> Tensor:
        """Return (1 - alpha) lambda / 2 times the quadratic."""
        if "penalty" not in self.state:
            return super().penalty(network, clock)
        weights = torch.cat([p.flatten() for p in encoder_parameters(network)])
        value = Quadratic(**self.state["penalty"]).at(weights)
        return (1 - self.alpha(clock)) * self.strength / 2 * value

    def after_epoch(self, network: nn.Module, data: Data, clock: Clock) -> None:
        """Take new anchors whenever the classes were partitioned."""
        super().after_epoch(network, data, clock)
        regrouped = self.keeper.state["regrouped"]
        if not torch.equal(regrouped, self.state["anchored"]):
            self.state["penalty"] = self._anchored(network, data, clock)._asdict()
            self.state["anchored"] = regrouped.clone()
        if "penalty" in self.state:
            pull = (1 - self.alpha(clock)) * self.strength * self.state["penalty"]["pull"]
            shown = {"penalty": self.penalty(network, clock), "curvature": pull.mean()}
            shown["stiffest"] = pull.max()
            self.state["shown"] = {f"gkp_{name}": value.item() for name, value in shown.items()}

    def curves(self) -> dict[str, float]:
        """Return the groups' curves, the penalty and its largest curvature."""
        return {**super().curves(), **self.state["shown"]}

    def _anchored(self, network: nn.Module, data: Data, clock: Clock) -> Quadratic:
        """Return the sum of (1 - w_j) F_j (theta - theta*_j)^2 over the groups with images."""
        generator, counts = clock.generator("fisher"), self.task.class_counts
        groups = self.keeper.state["groups"]
        sample = draw(data(), groups, counts, self.fisher_images, generator)
        shares = self.group_images / counts.sum()
        total = Quadratic.zero(encoder_of(network))
        for group in sample.groups:
            anchor = self.keeper.anchor(group)
            fisher = fisher_at(
                anchor, network, sample, group, priors=self.task.priors, generator=generator
            )
            scale = self.group_images[group] if self.fisher == "paper" else torch.ones(())
            scale = fisher.mean() if self.fisher == "unit" else scale
            fisher = (1 - shares[group]) * fisher.clamp_max(CLIP * fisher.mean()) / scale
            ceiling = CEILING / max(self.strength * len(sample.groups), 1e-30)
            total = total.plus(fisher.clamp_max(ceiling), anchor)
        return total
