"""GKP, group knowledge preservation: "Reframing Long-Tailed Learning via Loss Landscape
Geometry", CVPR 2026, arXiv 2603.21217.
"""

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Generator, Tensor, nn
from torch.optim.swa_utils import update_bn

from ltbench import Batch, Clock, Step, TrainingImages
from ltbench.blocks.class_groups import Grouped
from ltbench.blocks.feature_quality import encoder_of, encoder_parameters
from ltbench.errors import LtbenchError

Above0 = Annotated[float, Gt(0), Le(1)]


@dataclass
class GKP(Grouped):
    """alpha L + (1 - alpha) lambda / 2 sum_j c_j F_j (theta - theta*_j)^2 (Eq. 6, 16).

    Each class keeps the encoder at which its feature quality was best (Eq. 1, 17-19); normalised
    cuts partition the classes by these encoders (Eq. 2); a group's anchor theta*_j is their mean
    over its classes (Eq. 3) and F_j its diagonal Fisher information there. Summed over the groups,
    each of which preserves all others, the penalties are one over the anchors with c_j: (G - 1) / G
    where groups are averaged, 1 - w_j where images are (w_j: the group's share of the training
    images), G - 1 in the sum. alpha (Eq. 20), per epoch, is 1 while there are no anchors; the loss
    L is the base's. docs/readings.md has the reason of every default.

    `fisher`: what F_j / |G_j| of Eq. 6 is. `mean`: the sum over images by their number, the mean,
    which balances groups; `printed`: that mean divided once more by the group's n_j training
    images; `release`: squares of batch-mean gradients, divided so; `unit`: scaled to mean 1.
    """

    strength: Annotated[float, Ge(0)] = 100.0  # lambda of Eq. 6, the weight of the penalty
    alpha_start: Above0 = 0.95  # weight of the loss when anchors come (Eq. 20)
    alpha_end: Above0 = 0.6  # weight of the loss in the last epoch (Eq. 20)
    fisher: Literal["mean", "printed", "release", "unit"] = "mean"  # F_j of Eq. 6, see above
    fisher_images: Annotated[int, Ge(1)] = 400  # that F_j is the mean over, per group, about

    deviations = (
        "groups first after 5 % of the epochs, then every 5 % until 80 %, where they freeze; until "
        "then alpha is 1",
        "feature quality is -1 / Dis - log Var as released, for Eq. 19 cannot give Figure 2; on at "
        "most 16 training images a class under a fresh random crop, not on test images",
        "affinity of encoders without their mean over the classes; groups of equal width in log "
        "n_c while fewer encoders than groups differ",
        "Fisher of the logit-compensated cross-entropy on about 400 images a group; the penalty's "
        "curvature is at most half of what SGD stands at the epoch's rate",
        "the base's loss is a mean over images and the penalty divided by the number of groups; "
        "Eq. 16 sums both over groups",
        "penalty on the encoder alone; with gsa at the undisplaced weights",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups < 2:
            raise ValueError("with one group there is no other group to preserve, so no penalty")

    def alpha(self, clock: Clock) -> float:
        """Return the loss's share at an epoch, counted from zero (Eq. 20)."""
        cosine = math.cos(math.pi * clock.epoch / clock.epochs)
        return self.alpha_end + 0.5 * (self.alpha_start - self.alpha_end) * (1 + cosine)

    def loss_weight(self, clock: Clock) -> float:
        """Return alpha once there are anchors."""
        return self.alpha(clock) if "penalty" in self.state else 1.0

    def penalty(self, network: nn.Module, clock: Clock) -> Tensor:
        """Return (1 - alpha) lambda / 2 times the quadratic, 0 while there is none."""
        if "penalty" not in self.state:
            return super().penalty(network, clock)
        weights = torch.cat([p.flatten() for p in encoder_parameters(network)])
        self.penalised = weights.detach()  # the optimiser has moved them when `after_step` logs
        return self._quadratic(clock).at(weights) / 2

    def after_step(self, step: Step) -> None:
        """Log the penalty, its curvature and its gradient's norm over that of all the rest."""
        if "penalty" not in self.state:
            return
        quadratic, whole = (self._quadratic(step.clock, bounded=b) for b in (True, False))
        own = quadratic.pull * (self.penalised - quadratic.centre)
        found = [p.grad for p in encoder_parameters(step.network) if p.grad is not None]
        rest = torch.cat([gradient.flatten() for gradient in found]) - own
        step.log("gkp_penalty", quadratic.at(self.penalised) / 2)
        step.log("gkp_gradient", own.norm() / rest.norm())
        step.log("gkp_stiffest", quadratic.pull.max())
        step.log("gkp_removed", 1 - quadratic.pull.sum() / whole.pull.sum())

    def after_epoch(self, network: nn.Module, data: TrainingImages, clock: Clock) -> None:
        """Take new anchors whenever the classes were partitioned."""
        super().after_epoch(network, data, clock)
        regrouped = self.owner.state["regrouped"]
        if not torch.equal(regrouped, self.state.get("anchored", torch.zeros_like(regrouped))):
            self.state["penalty"] = self._anchored(network, data, clock)._asdict()
            self.state["anchored"] = regrouped.clone()

    def _quadratic(self, clock: Clock, *, bounded: bool = True) -> "Quadratic":
        """Return (1 - alpha) lambda times the quadratic, of half the curvature SGD stands at most.

        With momentum m it diverges from 2 (1 + m) / rate on, with Nesterov's from
        2 (1 + m) / (1 + 2 m) / rate; the other half is left to the loss.
        """
        if (recipe := clock.recipe) is None:
            raise LtbenchError("gkp bounds its penalty by the recipe; give the clock the stage's.")
        own = Quadratic(**self.state["penalty"]).times((1 - self.alpha(clock)) * self.strength)
        half = (1 + recipe.momentum) / (1 + 2 * recipe.momentum * recipe.nesterov)
        most = half / recipe.learning_rate_at(clock.epoch)
        return own.times((most / own.pull).clamp_max(1)) if bounded else own

    def _anchored(self, network: nn.Module, data: TrainingImages, clock: Clock) -> "Quadratic":
        """Return the sum of c_j F_j (theta - theta*_j)^2 over the groups with images."""
        generator, counts = clock.generator("fisher"), self.task.class_counts
        groups, others = self.owner.state["groups"], self.groups - 1
        mixed, samples = draw(data(), groups, counts, self.fisher_images, generator)
        total = Quadratic.zero(encoder_of(network))
        for group, labelled in samples.items():
            anchor, images = self.owner.anchor(group), self.group_images[group]
            fisher = fisher_at(
                anchor, network, mixed, labelled, priors=self.task.priors, generator=generator,
                batch=256 if self.fisher == "release" else None,
            )  # fmt: skip
            if not fisher.isfinite().all():
                raise LtbenchError(f"the Fisher information of group {group} is not finite.")
            if self.fisher != "mean":
                fisher = fisher / (fisher.mean() if self.fisher == "unit" else images)
            share = float(images / counts.sum())
            weights = {"group": others / self.groups, "image": 1 - share, "sum": others}
            total = total.plus(weights[self.average] * fisher, anchor)
        return total


class Quadratic(NamedTuple):
    """sum_j F_j (x - a_j)^2 over weights and anchors j, as sum of pull (x - centre)^2 + rest.

    `pull` is sum_j F_j and `centre` the anchors' mean in that metric. Where all anchors are one,
    the value there is exactly zero: nothing large is subtracted from something large.
    """

    pull: Tensor  # [P]
    centre: Tensor  # [P]
    rest: Tensor  # [P]

    @classmethod
    def zero(cls, like: Tensor) -> "Quadratic":
        """Return the quadratic without anchors, for weights such as `like`."""
        return cls(*(torch.zeros_like(like) for _ in cls._fields))

    def plus(self, curvature: Tensor, anchor: Tensor) -> "Quadratic":
        """Return the quadratic with one more anchor; Steiner's theorem gives the rest."""
        pull, gap = self.pull + curvature, anchor - self.centre
        share = torch.where(pull > 0, curvature / pull, 0.0)
        rest = self.rest + self.pull * share * gap.square()
        return Quadratic(pull, self.centre + share * gap, rest)

    def times(self, factor: float | Tensor) -> "Quadratic":
        """Return the quadratic with every F_j times a factor, one or [P]."""
        return Quadratic(self.pull * factor, self.centre, self.rest * factor)

    def at(self, weights: Tensor) -> Tensor:
        """Return the value at weights [P], a scalar with gradient."""
        return (self.pull * (weights - self.centre).square() + self.rest).sum()


Labelled = tuple[Tensor, Tensor]  # images [b, ...] and targets [b]
STATISTICS = 256  # images, about, from which batch statistics at an anchor are estimated


def draw(
    data: Iterable[Batch], groups: Tensor, class_counts: Tensor, count: int, generator: Generator
) -> tuple[Tensor, dict[int, Labelled]]:
    """Return images drawn without regard to class, and `count` or all of each group, about."""
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
    return torch.cat(mixed), split


def fisher_at(
    anchor: Tensor,
    network: nn.Module,
    mixed: Tensor,
    labelled: Labelled,
    *,
    priors: Tensor,
    generator: Generator,
    batch: int | None = None,
) -> Tensor:
    """Return the diagonal Fisher [P] of the encoder at an anchor [P], on labelled images.

    The loss is the cross-entropy of the logits + log priors. Batch statistics at the anchor are of
    one joint batch, the `mixed` images: averaged weights have no averaged ones. The network is
    copied, not touched.
    """
    copied = copy.deepcopy(network).requires_grad_(True)
    weights = encoder_parameters(copied)
    with torch.no_grad():
        pieces = torch.split(anchor, [weight.numel() for weight in weights])
        for weight, part in zip(weights, pieces, strict=True):
            weight.copy_(part.view(weight.shape))
    update_bn([mixed], copied)
    copied.eval()

    def losses(images: Tensor, targets: Tensor) -> Tensor:
        logits = copied(images)["logits"] + priors.log()
        return F.cross_entropy(logits, targets, reduction="none")

    return diagonal_fisher(weights, losses, labelled, generator, batch=batch)


def diagonal_fisher(
    parameters: Sequence[Tensor],
    losses: Callable[[Tensor, Tensor], Tensor],  # of images and targets, [b]
    labelled: Labelled,
    generator: Generator,
    *,
    signed: int = 8,
    batch: int | None = None,
) -> Tensor:
    """Return the mean over images of the squared gradient of an image's loss, flat [P].

    The gradient of a sum of `signed` losses with random signs has the sum of the squared gradients
    as its mean square, so few passes give an estimate without bias; signed=1 is the exact mean.
    With `batch`: squared gradients of the mean losses of batches, summed, over the images.
    """
    total = torch.zeros(sum(p.numel() for p in parameters)).to(parameters[0])
    pieces = zip(*(torch.split(part, batch or signed) for part in labelled), strict=True)
    for images, targets in pieces:
        own = losses(images, targets)
        signs = torch.randint(2, (len(own),), generator=generator).to(own) * 2 - 1
        value = own.mean() if batch else (signs * own).sum()
        gradients = torch.autograd.grad(value, parameters)
        total += torch.cat([gradient.flatten() for gradient in gradients]).square()
    return total / len(labelled[1])
