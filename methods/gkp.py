"""GKP, group knowledge preservation: "Reframing Long-Tailed Learning via Loss Landscape
Geometry", CVPR 2026.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from ltbench import Batch, Clock, Task
from ltbench.blocks.class_groups import Data, Grouped
from ltbench.blocks.feature_quality import encoder_of, encoder_parameters
from ltbench.errors import LtbenchError

STATISTICS = 256  # images, about, from which batch statistics at an anchor are estimated


class Quadratic(NamedTuple):
    """sum_j F_j (x - a_j)^2 over weights and anchors j, as sum pull (x - centre)^2 + rest.

    `pull` is sum_j F_j and `centre` the anchors' mean in that metric. Where all anchors are one,
    the value there is exactly zero: nothing large is subtracted from something large.
    """

    pull: Tensor  # [P]
    centre: Tensor  # [P]
    rest: Tensor  # scalar

    @classmethod
    def zero(cls, like: Tensor) -> "Quadratic":
        """Return the quadratic without anchors, for weights such as `like`."""
        return cls(torch.zeros_like(like), torch.zeros_like(like), like.new_zeros(()))

    def plus(self, curvature: Tensor, anchor: Tensor) -> "Quadratic":
        """Return the quadratic with one more anchor; Steiner's theorem gives the rest."""
        pull, gap = self.pull + curvature, anchor - self.centre
        share = torch.where(pull > 0, curvature / pull, 0.0)
        rest = self.rest + (self.pull * share * gap.square()).sum()
        return Quadratic(pull, self.centre + share * gap, rest)

    def at(self, weights: Tensor) -> Tensor:
        """Return the value at weights [P], a scalar with gradient."""
        return (self.pull * (weights - self.centre).square()).sum() + self.rest


class Sample(NamedTuple):
    """Training images drawn without regard to class, and some of each group."""

    mixed: list[Tensor]
    groups: dict[int, tuple[Tensor, Tensor]]  # images and targets


def draw(
    data: Iterable[Batch], groups: Tensor, class_counts: Tensor, count: int, generator: Generator
) -> Sample:
    """Draw about `count` images of each group, all of a smaller one, in one pass over the data."""
    sizes = torch.zeros_like(class_counts).index_add(0, groups, class_counts)
    chance = (count / sizes.clamp_min(1)).to(torch.float32)[groups]  # [C]
    overall = STATISTICS / int(class_counts.sum())
    mixed, found = [], []
    for batch in data:
        keys = torch.rand(2, len(batch.targets), generator=generator).to(chance.device)
        mixed.append(batch.images[keys[0] < overall])
        member = keys[1] < chance[batch.targets]
        found.append((batch.images[member], batch.targets[member]))
    images, targets = (torch.cat(part) for part in zip(*found, strict=True))
    own = groups[targets]
    split = {g: (images[own == g], targets[own == g]) for g in sorted(set(own.tolist()))}
    return Sample(list(torch.split(torch.cat(mixed), 256)), split)


def fisher_at(
    anchor: Tensor,
    network: nn.Module,
    sample: Sample,
    group: int,
    *,
    priors: Tensor,
    generator: Generator,
) -> Tensor:
    """Return the diagonal Fisher [P] of the encoder at an anchor [P], on a group's images.

    The loss is the cross-entropy of the logits + log priors with true labels; batch statistics are
    re-estimated at the anchor, since those of averaged weights are no average. The network is
    copied, not touched. Raises LtbenchError where the Fisher is not finite.
    """
    copied = copy.deepcopy(network).requires_grad_(True)
    weights = encoder_parameters(copied)
    with torch.no_grad():
        pieces = torch.split(anchor, [weight.numel() for weight in weights])
        for weight, part in zip(weights, pieces, strict=True):
            weight.copy_(part.view(weight.shape))
    refresh_statistics(copied, sample.mixed)

    def losses(images: Tensor, targets: Tensor) -> Tensor:
        logits = copied(images)["logits"] + priors.log()
        return F.cross_entropy(logits, targets, reduction="none")

    fisher = diagonal_fisher(weights, losses, *sample.groups[group], generator)
    if not fisher.isfinite().all():
        raise LtbenchError(f"the Fisher information of group {group} is not finite at its anchor.")
    return fisher


Losses = Callable[[Tensor, Tensor], Tensor]
"""Images [b, ...] and targets [b] to one loss an image, [b]."""


def diagonal_fisher(
    parameters: Sequence[Tensor],
    losses: Losses,
    images: Tensor,
    targets: Tensor,
    generator: Generator,
    *,
    signed: int = 8,
) -> Tensor:
    """Return the mean over images of the squared gradient of an image's loss, flat [P].

    The gradient of a sum of `signed` losses with random signs has the sum of the squared gradients
    as its mean square, so few passes give an estimate without bias; signed=1 is the exact mean.
    """
    total = torch.zeros(sum(p.numel() for p in parameters)).to(parameters[0])
    for start in range(0, len(targets), signed):
        part = slice(start, start + signed)
        own = losses(images[part], targets[part])
        signs = torch.randint(2, (len(own),), generator=generator).to(own) * 2 - 1
        pieces = torch.autograd.grad((signs * own).sum(), parameters)
        total += torch.cat([piece.flatten() for piece in pieces]).square()
    return total / len(targets)


@torch.no_grad()
def refresh_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set running batch statistics to their mean over batches of images; ends in eval mode."""
    network.eval()
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    before = [module.momentum for module in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # a cumulative mean
        module.train()
    for images in batches:
        network(images)
    for module, momentum in zip(norms, before, strict=True):
        module.momentum = momentum
        module.eval()


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

    def setup(self, task: Task) -> None:
        """Begin without anchors."""
        super().setup(task)
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
