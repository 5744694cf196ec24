"""CC-SAM: Zhou et al., "Class-Conditional Sharpness-Aware Minimization for Deep Long-Tailed
Recognition", CVPR 2023.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from ltbench import Batch, Clock, Method, Outputs, Recipe, Stage, Step
from ltbench.adversarial import Adversarial
from ltbench.classwise import Radius, class_logits, class_segments
from ltbench.compose import overrides
from ltbench.mixup import mixed
from ltbench.slopes import exact_slopes, owned_slopes

RELEASE: dict[str, Any] = {"perturbed": "head", "s": 1e-6, "average": "sample", "flat": 0.5}
RELEASE |= {"per_tensor": True, "mixup": True, "limit": 0.3, "weighted": True, "moving": True}
RELEASES = {"release": RELEASE, "release_cifar10": RELEASE | {"flat": 0.3, "limit": 1.0}}


@dataclass
class CCSAM(Method):
    """Stage 1 sums over classes the gradients at w + eps_c (Eq. 8-11); then `Adversarial`.

    eps_c has the direction of class c's gradient, of norm G_c, and the length
    s d^{1/4} (|w| / 2 G_c)^{1/2} (n_c - 1)^{-1/4} for d perturbed parameters w: the network's or
    the head's. s = 0 is the control. Official recipe, relative to the protocol's: half the batch
    (64), rate x 0.1 at each drop; stage 2 for 0.15 of the epochs (30) at 0.1 of the rate.
    """

    perturbed: Literal["full", "head"] = "full"
    s: float = 0.002  # Eq. 8 has 1; the release 1e-6, at first 0.01 on CIFAR-10
    cap: float = 0.02  # of |eps_c| / |w| for the rarest class; for others by Eq. 8's (n_c - 1)
    gradients: Literal["owned", "exact"] = "owned"  # of the full form; exact: a pass a class
    average: Literal["class", "sample"] = "class"  # of the displaced losses
    flat: float = 1.0  # their share in the loss; the rest is the loss at w
    per_tensor: bool = False  # of the head: a gradient norm each, not one for both
    mixup: bool = False  # Beta(1, 1); a mixed image belongs to the class of its first
    strength: float = 1.0  # lambda of Eq. 12
    limit: float = 1.0  # of t / T in Eq. 14
    weighted: bool = False  # stage 2: class weights, and one norm for a class's images
    moving: bool = False  # stage 2: the frozen backbone uses and moves batch statistics

    variants: ClassVar[dict[str, dict[str, Any]]] = RELEASES
    deviations = (
        "eps_c is scaled by s and capped; Eq. 8 is not, and grows without bound as losses vanish",
        "full: gradients through a class's images, not of its loss (they share batch statistics)",
        "the sum over classes is divided by their number in the batch, so the rate keeps its sense",
        "a class with one image gets the radius of a class with two; Eq. 8 is infinite there",
        "class-balanced draws with replacement; the release cycles through the classes",
        "stage 2 starts from the last epoch of stage 1; the release from the best on the test set",
    )

    def __post_init__(self) -> None:
        if min(self.s, self.cap) < 0 or not (0 <= self.flat <= 1 and 0 <= self.limit <= 1):
            raise ValueError("s and cap must not be negative, flat and limit lie from 0 to 1")
        if self.perturbed == "full" and (self.flat < 1 or self.per_tensor or self.mixup):
            raise ValueError("flat, per_tensor and mixup are the release's, for perturbed='head'")
        if self.perturbed == "head" and self.gradients == "exact":
            raise ValueError("the head's gradients are exact; gradients='exact' is for the network")

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stage of the representation and that of the classifier."""
        half, epochs = max(1, recipe.batch_size // 2), max(1, round(0.15 * recipe.epochs))
        first = replace(recipe, batch_size=half, decay=0.1, drop_last=True)
        second = replace(first, epochs=epochs, learning_rate=0.1 * recipe.learning_rate)
        second = replace(second, warmup_epochs=0, schedule="step", milestones=())  # constant
        still = () if self.moving else ("backbone",)
        method, head = Adversarial(self.strength, self.limit, self.weighted), ("classifier.",)
        last = Stage("classifier", second, "class_balanced", head, (), still, method)
        return (Stage("representation", first), last)

    def meet(self, parts: tuple[Method, ...]) -> None:
        """Raise TypeError for a second way of mixing."""
        if self.mixup and any("mix" in overrides(part) for part in parts):
            raise TypeError("cc_sam mixes images itself here; set its mixup=False")

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return the outputs for the images; mixed ones bring their "labels" [B, C]."""
        if self.mixup:
            images, labels = mixed(batch, clock, self.task.num_classes)
            return {**network(images), "labels": labels}
        return super().forward(network, batch, clock)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the cross-entropy towards mixed labels, or else the targets, [B]."""
        labels = outputs["labels"].to(outputs["logits"]) if "labels" in outputs else batch.targets
        return nn.functional.cross_entropy(outputs["logits"], labels, reduction="none")

    def backward(self, step: Step) -> None:
        """Descend along flat * sum of L_c(w + eps_c) + (1 - flat) * L(w), and the penalty."""
        radius = Radius(self.s, self.cap, self.task.class_counts)
        if self.s > 0 and self.perturbed == "full":
            slopes_of = owned_slopes if self.gradients == "owned" else exact_slopes
            segments = class_segments(step, slopes_of(step, step.batch.targets)[1], radius)
            losses = displaced = step.losses(step.forward(segments))
        else:
            outputs = step.forward()
            losses, logits = step.losses(outputs), outputs["logits"]
            if self.s > 0:
                logits = class_logits(step, outputs, losses, radius, per_tensor=self.per_tensor)
            displaced = step.losses({"logits": logits})  # towards the targets, even if mixed
        value = displaced.mean()
        if self.average == "class":
            sizes = step.batch.targets.bincount()[step.batch.targets]  # [B]
            value = (displaced / sizes).sum() / (1 / sizes).sum()
        value = self.flat * value + (1 - self.flat) * losses.mean() if self.flat < 1 else value
        step.descend(value + step.penalty())

    def after_step(self, step: Step) -> None:
        """Keep the epoch's mean of |eps_c| / |w|."""
        ratio = step.notes.get("ratio", torch.zeros(()))
        mean = self.state["ratio"] if step.clock.step else torch.zeros_like(ratio)
        self.state["ratio"] = mean + (ratio - mean) / (step.clock.step + 1)

    def curves(self) -> dict[str, float]:
        """Return it."""
        return {"perturbation": float(self.state["ratio"])}
