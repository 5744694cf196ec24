"""CC-SAM: Zhou et al., "Class-Conditional Sharpness-Aware Minimization for Deep Long-Tailed
Recognition", CVPR 2023.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from ltbench import Batch, Clock, Method, Outputs, Perturbation, Recipe, Stage, Step
from ltbench.api.compose import overrides
from ltbench.api.perturb import Segments, norm, scaled, warn_if_rounded
from ltbench.blocks.group_gradients import GroupGradients, exact_gradients, owned_gradients
from ltbench.blocks.mixup import mixed
from ltbench.errors import LtbenchError

AtLeast0 = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
RELEASE: dict[str, Any] = {"perturbed": "head", "s": 1e-6, "average": "sample", "flat": 0.5}
RELEASE |= {"per_tensor": True, "mixup": True, "limit": 0.3, "weighted": True, "moving": True}
RELEASES = {"release": RELEASE, "release_cifar10": RELEASE | {"flat": 0.3, "limit": 1.0}}


@dataclass
class CCSAM(Method):
    """Stage 1 sums over classes the gradients at w + eps_c (Eq. 8-11); then `Adversarial`.

    eps_c has the direction of class c's gradient, of norm G_c, and the length
    s d^{1/4} (|w| / 2 G_c)^{1/2} (n_c - 1)^{-1/4} for d perturbed parameters w: the network's or
    the head's. Exact class gradients take a backward pass a class in the batch, the head's none;
    `owned` ones, through a class's images instead of its loss, take one for all, but batch
    statistics tie images together and the two point apart (docs/readings.md). s = 0 is the
    control. Official recipe, relative to the protocol's: half the batch (64; twice on iNaturalist,
    512; as it is on other large images), rate x 0.1 at each drop;
    stage 2 for 0.15 of the epochs (30) at 0.1 of the rate.
    """

    # what is displaced (Eq. 8): all weights, or the classifier alone
    perturbed: Literal["full", "head"] = "full"
    # length of eps_c (Eq. 8), there 1; the release 1e-6, at first 0.01 on CIFAR-10
    s: AtLeast0 = 0.002
    cap: AtLeast0 = 0.02  # of |eps_c| / |w| for the rarest class; for others by Eq. 8's (n_c - 1)
    gradients: Literal["exact", "owned"] = "exact"  # of the full form; owned: in one pass
    average: Literal["class", "sample"] = "class"  # of the displaced losses
    flat: Share = 1.0  # their share in the loss; the rest is the loss at w
    per_tensor: bool = False  # of the head: a gradient norm each, not one for both
    mixup: bool = False  # Beta(1, 1); a mixed image belongs to the class of its first
    strength: float = 1.0  # lambda of Eq. 12
    limit: Share = 1.0  # of t / T in Eq. 14
    weighted: bool = False  # stage 2: class weights, and one norm for a class's images
    moving: bool = False  # stage 2: the frozen backbone uses and moves batch statistics

    variants: ClassVar[dict[str, dict[str, Any]]] = RELEASES
    deviations = (
        "eps_c is scaled by s and capped; Eq. 8 is not, and grows without bound as losses vanish",
        "the sum over classes is divided by their number in the batch, so the rate keeps its sense",
        "a class with one image gets the radius of a class with two; Eq. 8 is infinite there",
        "the regulariser of Eq. 5 and 7 is off, as in the release",
        "mixes images as cc_sam+mixup alone, the form of the paper's CIFAR rows; displaced losses "
        "are then towards both labels, in the release towards the first",
        "class-balanced draws with replacement, no last partial batch; the release cycles",
        "warm-up from a fifth of the rate; the release's from 0.467 on, its drops an epoch earlier",
        "stage 2 starts from the last epoch of stage 1; the release from the best on the test set",
        "the suite's network and subset; the release's last stage has four blocks (29 convolutions "
        "in all), and its subset is drawn from the stream that seed 42 begins",
    )

    def __post_init__(self) -> None:
        if self.perturbed == "full" and (self.flat < 1 or self.per_tensor or self.mixup):
            raise ValueError("flat, per_tensor and mixup are the release's, for perturbed='head'")
        if self.perturbed == "head" and self.gradients == "owned":
            raise ValueError("the head's gradients are exact; gradients='owned' is for the network")

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the representation and that of the classifier."""
        epochs = max(1, round(0.15 * recipe.epochs))
        own = recipe.times(cifar=(0.5, 1, 1), inaturalist2018=(2, 1, 1))
        first = replace(own, decay=0.1, drop_last=True)
        second = replace(first, epochs=epochs, learning_rate=0.1 * recipe.learning_rate)
        second = replace(second, warmup_epochs=0, schedule="step", milestones=())  # constant
        return (
            Stage(name="representation", recipe=first),
            Stage(
                name="classifier",
                recipe=second,
                sampler="class_balanced",
                trainable=("classifier.",),
                evaluating=() if self.moving else ("backbone",),
                method=Adversarial(self.strength, self.limit, self.weighted),
            ),
        )

    def on_compose(self, parts: tuple[Method, ...]) -> None:
        """Raise TypeError for a second way of mixing."""
        if self.mixup and any("mix" in overrides(part) for part in parts):
            raise TypeError("cc_sam mixes images itself here; set its mixup=False")

    def backward(self, step: Step) -> None:
        """Descend along flat * sum of L_c(w + eps_c) + (1 - flat) * L(w), and the penalty."""
        radius = Radius(self.s, self.cap, self.task.class_counts)
        unmixed = step.batch
        if self.mixup:  # here, not by `mix`, which cc_sam+mixup has from its other part
            step.batch = mixed(unmixed, step.clock, 1.0)
        if self.s > 0 and self.perturbed == "full":
            gradients_of = owned_gradients if self.gradients == "owned" else exact_gradients
            segments = class_segments(step, gradients_of(step, step.batch.targets)[1], radius)
            losses = displaced = step.losses(step.forward(segments))
        else:
            outputs = step.forward()
            losses, logits = step.losses(outputs), outputs["logits"]
            if self.s > 0:
                logits = class_logits(step, outputs, losses, radius, per_tensor=self.per_tensor)
            step.batch = unmixed  # the displaced losses of mixed images are towards their first
            displaced = step.losses({"logits": logits})
        value = displaced.mean()
        if self.average == "class":
            sizes = step.batch.targets.bincount()[step.batch.targets]  # [B]
            value = (displaced / sizes).sum() / (1 / sizes).sum()
        value = self.flat * value + (1 - self.flat) * losses.mean() if self.flat < 1 else value
        step.descend(value + step.penalty())


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

    def backward(self, step: Step) -> None:
        """Descend along the losses of the images and of their displaced features.

        These are found here, of the whole batch: `weighted` ties its images together.
        """
        outputs = step.forward()
        head, features = step.network.get_submodule("classifier"), outputs["features"]
        displaced = self.displaced(head, features, step.batch.targets)
        step.descend(step.losses(outputs | displaced).mean() + step.penalty())

    def displaced(self, head: nn.Module, features: Tensor, targets: Tensor) -> Outputs:
        """Return the "adversarial" logits [B, C] of displaced features and their "weights" [B]."""
        features = features.detach().requires_grad_()
        value = F.cross_entropy(head(features), targets, reduction="sum")
        (gradients,) = torch.autograd.grad(value, features)
        squares, weights = gradients.square().sum(1), torch.ones_like(gradients[:, 0])  # [B]
        if self.weighted:
            squares = (targets.unsqueeze(1) == targets).to(squares) @ squares
            counts = self.task.class_counts
            weights = 0.5 * (counts.max() / counts[targets] + 0.01).log().to(weights)
        factors = self.strength * weights / squares.sqrt().clamp_min(1e-30)
        moved = features.detach() + factors.unsqueeze(1) * gradients
        return {"adversarial": head(moved), "weights": weights}

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the mixed cross-entropy, [B]; the epoch t counts from one."""
        share = min((clock.epoch + 1) / clock.epochs, self.limit)
        adversarial = F.cross_entropy(outputs["adversarial"], batch.targets, reduction="none")
        plain = super().losses(outputs, batch, clock)
        return (1 - share) * plain + share * outputs["weights"] * adversarial


@dataclass(frozen=True)
class Radius:
    """Lengths s d^{1/4} (|w| / 2 G_c)^{1/2} (n_c - 1)^{-1/4} for gradients of norm G_c.

    d counts the weights w, n_c the training images of class c; one image counts as two. The
    rarest class goes no further than `cap` |w|, the others in proportion of (n_c - 1)^{-1/4};
    without a gradient there is no direction, and a class stays.
    """

    scale: float
    cap: float
    class_counts: Tensor  # [C]

    def of(self, weights: Mapping[str, Tensor], gradients: Tensor, classes: Tensor) -> Tensor:
        """Return the lengths for gradient norms [..., K] of K classes."""
        length = norm(weights)
        rarity = (self.class_counts - 1).clamp_min(1).to(gradients) ** -0.25  # [C]
        size = sum(weight.numel() for weight in weights.values())
        free = self.scale * size**0.25 * (length / (2 * gradients)).sqrt() * rarity[classes]
        bound = self.cap * length * rarity[classes] / rarity.max()
        return torch.minimum(free, bound) * (gradients > 0)


def class_segments(step: Step, gradients: GroupGradients, radius: Radius) -> Segments:
    """Return perturbations e of the network by class, and log the mean of |e| / |w|."""
    named = step.network.named_parameters()
    weights = {name: weight for name, weight in named if weight.requires_grad}
    classes = torch.tensor(list(gradients), device=step.batch.targets.device)
    norms = torch.stack([norm(gradient) for gradient in gradients.values()])
    lengths = radius.of(weights, norms, classes)
    perturbations: list[Perturbation] = [{} for _ in radius.class_counts]
    for (number, gradient), length in zip(gradients.items(), lengths, strict=True):
        perturbations[number] = scaled(gradient, length)
    step.log("cc_sam_ratio", lengths.mean() / norm(weights))
    return Segments(perturbations, step.batch.targets)


def class_logits(
    step: Step,
    outputs: Outputs,
    losses: Tensor,
    radius: Radius,
    *,
    per_tensor: bool = False,
    head: str = "classifier",
) -> Tensor:
    """Return the logits [B, C] of a linear head displaced for the class of each image.

    Products [B, B] take the place of a loop over classes. `per_tensor`: weight and bias go by
    their own gradient norms, else by the joint one. Logs the mean of |perturbation| / |w|.
    Raises LtbenchError for any other head.
    """
    part = step.network.get_submodule(head)
    if not isinstance(part, nn.Linear) or is_parametrized(part):
        raise LtbenchError(f"{head} displaced class by class is a plain linear one; this is not.")
    targets, features = step.batch.targets, outputs["features"].detach()
    own = losses.sum() / step.method.loss_weight(step.clock)
    (errors,) = torch.autograd.grad(own, outputs["logits"], retain_graph=True)
    same = (targets.unsqueeze(1) == targets).to(errors)
    mean = same / same.sum(1, keepdim=True)  # [B, B]: over the images of an image's class
    bias = mean @ errors  # [B, C]: the class's gradient by the bias
    squares = ((mean @ ((errors @ errors.T) * (features @ features.T))) * mean).sum(1)
    both = torch.stack([squares.clamp_min(0), bias.square().sum(1)])  # [2, B]
    gradients = (both if per_tensor else both.sum(0).expand(2, -1)).sqrt()
    weights = dict(part.named_parameters())
    lengths = radius.of(weights, gradients, targets)
    first, second = (lengths / gradients.clamp_min(1e-30)).unsqueeze(2)
    step.log("cc_sam_ratio", lengths.mean() / norm(weights))
    if step.clock.step == 0:
        warn_if_rounded(float(lengths.max() / norm(weights)), errors.dtype)
    reach = mean * (outputs["features"] @ features.T)
    moved: Tensor = outputs["logits"] + first * (reach @ errors) + second * bias
    return moved
