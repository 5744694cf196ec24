"""GSA, group-specific sharpness awareness: "Reframing Long-Tailed Learning via Loss Landscape
Geometry", CVPR 2026, arXiv 2603.21217.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from ltbench import Outputs, Perturbation, Step
from ltbench.api.perturb import (
    Segments,
    combined,
    inner,
    largest_ratio,
    norm,
    rejected,
    scaled,
    warn_if_rounded,
)
from ltbench.api.segments import evaluate_segmented
from ltbench.blocks.class_groups import Grouped
from ltbench.blocks.group_gradients import GroupGradients, exact_gradients, owned_gradients
from ltbench.errors import LtbenchError

HEAD = "classifier"
PARALLEL = 1e-6  # a residual of less than this share of the gradient is rounding
PAPER: tuple[str, ...] = (
    "each group's loss is divided by the number of groups, so that the learning rate keeps its "
    "sense; Eq. 16 prints the sum",
    "every image at its group's weights in one pass, with the statistics of the joint batch; what "
    "is of no image, such as prototypes, at the undisplaced ones",
    "radius by Eq. 13 (Eq. 37 misprints it), perturbations of at most 0.05 of the weights' norm; "
    "a group with one image gets the radius of two; the regulariser of Eq. 15, a weight decay, is "
    "off",
    "groups as in gkp, from 5 % of the epochs on; until then the base's step",
)
RELEASE: tuple[str, ...] = (
    "what the published command computes: one group, so no residual, but the gradient less its "
    "running mean, in the metric of |theta|, with rho between 0.002 and 0.003; alpha is left out",
    "groups and their feature quality take no part; CIFAR-100 is normalised by CIFAR-10's "
    "constants, by its own in the release",
)


@dataclass
class GSA(Grouped):
    """Descend along sum_g (1 / G) grad L_g(theta + eps_g) over G groups of classes (Eq. 15, 16).

    L_g is the mean loss of group g's images in the batch. eps_g has the direction of its gradient
    less its projection on the batch's (Eq. 12; `projected`: the projection, `gradient`: all of it)
    and the length sqrt(d) rho (Eq. 14), rho = Z (|theta| / 2 |r_g|)^{1/2} d^{-1/4} (n_g - 1)^{-1/4}
    (Eq. 13), with n_g training images and d perturbed parameters theta. Weighted by their shares
    w_g in the batch the residuals r_g add up to zero: one group has none. `average`: 1 / G
    (`group`), w_g (`image`, the mean over images) or 1 (`sum`). `owned` gradients run through a
    group's images instead of its loss, in one pass. docs/readings.md has every default's reason.
    """

    # Z of Eq. 13, of the radius; at 0 it is the base, its groups averaged
    scale: Annotated[float, Ge(0)] = 0.01
    # of eps_g (Eq. 12), from the group's gradient and the batch's
    direction: Literal["residual", "projected", "gradient", "average"] = "residual"
    # what is displaced: all weights, or the classifier alone
    perturbed: Literal["full", "head"] = "full"
    # of a group: of its loss, or owned: through its images, in one pass
    gradients: Literal["exact", "owned"] = "exact"
    cap: Annotated[float, Ge(0)] = 0.05  # most that |eps_g| may be of |theta|

    variants: ClassVar[dict[str, dict[str, Any]]] = {
        "release": {"groups": 1, "direction": "average", "scale": 0.1, "cap": 1.0}
    }
    deviations = PAPER

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.groups == 1 and self.direction == "residual":
            why = "one group has no residual: its gradient is the batch's"
            raise ValueError(f"{why}; give more groups, or direction='gradient', which is SAM")
        if self.groups > 1 and self.direction == "average":
            raise ValueError("direction='average' is the release's, for groups=1")
        self.radius = PerturbationRadius(self.scale, self.cap)
        if self.direction == "average":
            self.radius = PerturbationRadius(self.scale, self.cap, 2e-3, 3e-3, adaptive=True)
            self.deviations = RELEASE  # type: ignore[misc]

    def backward(self, step: Step) -> None:
        """Take the groups' gradients here (Eq. 11), and descend along the gradient at eps."""
        if self.class_groups is None:
            return super().backward(step)
        members = self.class_groups[step.batch.targets]
        sizes = members.bincount(minlength=self.groups)
        alone = self.direction == "residual" and int(sizes.max()) == len(members)  # no residual
        if self.scale == 0 or alone:
            outputs = step.forward()
        else:
            outputs = self._moved(step, members, (sizes / len(members)).tolist())
        losses = step.losses(outputs)
        if self.average != "image":
            groups = self.groups if self.average == "group" else 1
            losses = losses * len(members) / (groups * sizes[members].to(losses))
        return step.descend(losses.mean() + step.penalty())

    def _moved(self, step: Step, members: Tensor, shares: list[float]) -> Outputs:
        """Return the outputs for the images, each at its group's displaced weights."""
        within = f"{HEAD}." if self.perturbed == "head" else ""
        take = exact_gradients if self.gradients == "exact" else owned_gradients
        outputs, gradients = take(step, members, within)
        perturbations = self.perturbations(step, gradients, shares)
        if self.perturbed == "head":
            segments = Segments(perturbations, members)
            return {**outputs, "logits": moved_logits(step, outputs, segments, HEAD)}
        del outputs  # and the graph
        return step.forward(
            perturbations[0] if self.groups == 1 else Segments(perturbations, members)
        )

    def perturbations(
        self, step: Step, gradients: GroupGradients, shares: list[float]
    ) -> list[Perturbation]:
        """Return eps by group (Eq. 12-14), {} where there is none."""
        mean = combined(list(gradients.values()), [shares[group] for group in gradients])
        step.notes["mean"] = mean
        weights = {n: w.detach() for n, w in step.network.named_parameters() if n in mean}
        size, images = sum(w.numel() for w in weights.values()), self.group_images.tolist()
        found: list[Perturbation] = [{} for _ in images]
        for group, gradient in gradients.items():
            direction = self.along(gradient, mean)
            if norm(direction) <= PARALLEL * norm(gradient):
                continue
            found[group] = self.radius.perturbation(weights, direction, images[group])
            length = norm(found[group])
            ratio, cosine = length / norm(weights), inner(gradient, mean)
            step.log(f"gsa{group}_cosine", cosine / (norm(gradient) * norm(mean)))
            step.log(f"gsa{group}_ratio", ratio)
            step.log(f"gsa{group}_radius", length / size**0.5)
            step.log(f"gsa{group}_capped", (ratio > 0.999 * self.cap).to(ratio))
        return found

    def along(self, gradient: Perturbation, mean: Perturbation) -> Perturbation:
        """Return the direction of a group's perturbation, not normalised (Eq. 12)."""
        if self.direction == "average":
            running = self.state.get("average", {})
            return combined([mean, running], [1.0, -1.0]) if running else mean
        if self.direction == "gradient":
            return gradient
        residual = rejected(gradient, mean)
        return residual if self.direction == "residual" else combined([gradient, residual], [1, -1])

    def after_step(self, step: Step) -> None:
        """Keep for direction="average" the gradient's running mean."""
        if self.direction == "average" and "mean" in step.notes:
            now = step.notes["mean"]
            self.state["average"] = combined([self.state.get("average", now), now], [0.9, 0.1])


@dataclass(frozen=True)
class PerturbationRadius:
    """The length of a perturbation e: sqrt(d) rho, rho = scale times the safe radius, in bounds.

    `cap` bounds |e| / |w|; `adaptive` measures in units of |w|, as adaptive SAM (Kwon et al.,
    ICML 2021): e is then w^2 g sqrt(d) rho / |w g|, and the safe radius that of w g.
    """

    scale: float
    cap: float
    least: float = 0.0  # rho
    most: float = 1e9
    adaptive: bool = False

    def perturbation(
        self, weights: Mapping[str, Tensor], direction: Perturbation, images: int
    ) -> Perturbation:
        """Return the perturbation of some weights along a gradient, for n images."""
        size = sum(weight.numel() for weight in direction.values())
        metric = {name: weights[name] for name in direction} if self.adaptive else {}
        measured = {n: metric[n] * part for n, part in direction.items()} if metric else direction
        rho = self.scale * safe_radius(norm(weights), norm(measured), size, images)
        length = size**0.5 * rho.clamp(self.least, self.most)
        if metric:
            direction = {name: metric[name] * part for name, part in measured.items()}
            length = length * norm(direction) / norm(measured)
        return scaled(direction, length.minimum(self.cap * norm(weights)))


def safe_radius(weights: Tensor, gradient: Tensor, size: int, images: int) -> Tensor:
    """Return (|w| / 2 |g|)^{1/2} (d (n - 1))^{-1/4} for norms |w| and |g|, d weights, n images.

    There the PAC-Bayes bound of sharpness-aware minimisation is lowest. One image counts as two.
    """
    radius: Tensor = (weights / (2 * gradient)).sqrt() * (size * max(images - 1, 1)) ** -0.25
    return radius


def moved_logits(step: Step, outputs: Outputs, segments: Segments, head: str) -> Tensor:
    """Return the logits [B, C] of a displaced classifier on the features there are.

    Raises LtbenchError for a method whose logits are not `head` of its features; the first step of
    every epoch checks it.
    """
    part, logits = step.network.get_submodule(head), outputs["logits"]
    refusal = LtbenchError(f"to displace {head} alone, nothing but logits may be {head}(features).")
    if "features" not in outputs:
        raise refusal
    features = outputs["features"]
    with step.autocast():
        if step.clock.step == 0:
            here = part(features)  # heads of ltbench compute in float32 in a bfloat16 pass, too
            warn_if_rounded(largest_ratio(step.network, segments.perturbations), here.dtype)
            here = here.to(logits)
            if here.shape != logits.shape or not torch.allclose(here, logits, 1e-2, 1e-2):
                raise refusal
            weights = tuple(part.parameters())
            for name, value in outputs.items():
                if name != "logits" and len(value) == len(logits) and _reaches(value, weights):
                    raise refusal
        moved = evaluate_segmented(
            step.network, segments, lambda network, order: {"logits": part(features[order])}
        )
    return moved["logits"].to(logits)


def _reaches(value: Tensor, weights: tuple[Tensor, ...]) -> bool:
    """Return whether a value's graph holds any of the weights; the graph is kept."""
    if not value.requires_grad:
        return False
    parts = torch.autograd.grad(value.sum(), weights, retain_graph=True, allow_unused=True)
    return any(part is not None for part in parts)
