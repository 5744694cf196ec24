"""GSA, group-specific sharpness awareness: "Reframing Long-Tailed Learning via Loss Landscape
Geometry", CVPR 2026.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from ltbench import Outputs, Perturbation, Step, Task
from ltbench.api.perturb import Segments, combined, inner, norm, rejected, scaled
from ltbench.api.segments import evaluate_segmented
from ltbench.blocks.class_groups import Grouped
from ltbench.blocks.group_gradients import GroupGradients, exact_gradients, owned_gradients
from ltbench.errors import LtbenchError


def moved_logits(step: Step, outputs: Outputs, segments: Segments, head: str) -> Tensor:
    """Return the logits [B, C] of a displaced classifier on the features there are.

    Raises LtbenchError for a method whose logits are not `head` of its features; the first step of
    an epoch looks.
    """
    part, logits = step.network.get_submodule(head), outputs["logits"]
    refusal = LtbenchError(f"to displace {head} alone, nothing but logits may be {head}(features).")
    if "features" not in outputs:
        raise refusal
    features = outputs["features"]
    with step.autocast():
        if step.clock.step == 0:
            here = part(features).to(logits)
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


def safe_radius(weights: Tensor, gradient: Tensor, size: int, images: int) -> Tensor:
    """Return (|w| / 2 |g|)^{1/2} (d (n - 1))^{-1/4} for norms |w| and |g|, d weights, n images.

    There the PAC-Bayes bound of sharpness-aware minimisation is lowest. One image counts as two.
    """
    radius: Tensor = (weights / (2 * gradient)).sqrt() * (size * max(images - 1, 1)) ** -0.25
    return radius


@dataclass(frozen=True)
class PerturbationRadius:
    """The length of a perturbation e: sqrt(d) rho, rho = scale times the safe radius, in bounds.

    `cap` bounds |e| / |w|; `adaptive` measures in units of |w|, as adaptive SAM (Kwon et al.,
    ICML 2021): e is then w^2 g sqrt(d) rho / |w g|.
    """

    scale: float
    cap: float
    least: float = 0.0  # rho
    most: float = 1e9
    adaptive: bool = False

    def __post_init__(self) -> None:
        if min(self.scale, self.cap, self.least) < 0 or self.most < self.least:
            raise ValueError("scale, cap and least must not be negative, nor most under least")

    def perturbation(
        self, weights: Mapping[str, Tensor], direction: Perturbation, images: int
    ) -> Perturbation:
        """Return the perturbation of some weights along a gradient, for n images."""
        size = sum(weight.numel() for weight in direction.values())
        rho = self.scale * safe_radius(norm(weights), norm(direction), size, images)
        length = size**0.5 * rho.clamp(self.least, self.most)
        if self.adaptive:
            length = length / norm({name: weights[name] * part for name, part in direction.items()})
            perturbation = {
                name: length * weights[name] ** 2 * part for name, part in direction.items()
            }
            length = norm(perturbation)
        return scaled(
            perturbation if self.adaptive else direction, length.minimum(self.cap * norm(weights))
        )


SHOWN = ("cosine", "ratio", "radius", "capped")


def tally(
    perturbations: Mapping[int, Perturbation],
    gradients: GroupGradients,
    mean: Perturbation,
    weights: Perturbation,
    *,
    cap: float,
    like: Tensor,
) -> Tensor:
    """Return what a step's perturbations add to the books `like`, [segments, 5].

    One for the perturbation e, then its gradient's cosine to the mean gradient, |e| / |w|,
    |e| / d^1/2, and one where the cap bound it.
    """
    books, size = torch.zeros_like(like), sum(weight.numel() for weight in weights.values())
    for segment, perturbation in perturbations.items():
        gradient, ratio = gradients[segment], norm(perturbation) / norm(weights)
        cosine = inner(gradient, mean) / (norm(gradient) * norm(mean))
        capped = (ratio > 0.999 * cap).to(ratio)
        shown = (torch.ones_like(ratio), cosine, ratio, norm(perturbation) / size**0.5, capped)
        books[segment] = torch.stack(shown)
    return books


def read(books: Tensor, name: str) -> dict[str, float]:
    """Return the means of books over perturbations, for curves: name0_cosine, name0_ratio …"""
    return {
        f"{name}{segment}_{column}": value / count
        for segment, (count, *sums) in enumerate(books.tolist())
        for column, value in zip(SHOWN, sums, strict=True)
        if count
    }


HEAD = "classifier"
PARALLEL = 1e-6  # a residual of less than this share of the gradient is rounding
PAPER: tuple[str, ...] = (
    "the mean over images, not the sum over groups: at zero radius the objective is the base's",
    "every image at its group's weights in one pass, with the statistics of the joint batch",
    "radius by Eq. 13 (Eq. 37 misprints it), perturbations of at most 0.05 of the weights' norm; "
    "a group with one image gets the radius of two; the regulariser of Eq. 15, a weight decay, is "
    "off",
    "groups as in gkp, from 5 % of the epochs on; until then the base's step",
)
RELEASE: tuple[str, ...] = (
    "what the published command computes: one group, so no residual, but the gradient less its "
    "running mean, in the metric of |theta|, with rho between 0.002 and 0.003; alpha is left out",
)


@dataclass
class GSA(Grouped):
    """Descend along sum_g w_g grad L_g(theta + eps_g), w_g the share of group g in the batch.

    eps_g has the direction of the group's gradient less its projection on the batch's (Eq. 12;
    `projected`: the projection, `gradient`: all of it) and the length sqrt(d) rho (Eq. 14),
    rho = Z (|theta| / 2 |r_g|)^{1/2} d^{-1/4} (n_g - 1)^{-1/4} (Eq. 13), with n_g training images
    and d perturbed parameters theta. The residuals r_g, weighted by w_g, add up to zero: one group
    has none. `owned` gradients run through a group's images instead of its loss, in one pass.
    """

    scale: float = 0.01  # Z; 0 is the control
    direction: Literal["residual", "projected", "gradient", "average"] = "residual"
    perturbed: Literal["full", "head"] = "full"
    gradients: Literal["exact", "owned"] = "exact"
    cap: float = 0.05  # of |eps| / |theta|

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
        self.reach = PerturbationRadius(self.scale, self.cap)
        if self.direction == "average":
            self.reach = PerturbationRadius(
                self.scale, self.cap, least=2e-3, most=3e-3, adaptive=True
            )
            self.deviations = RELEASE  # type: ignore[misc]

    def setup(self, task: Task) -> None:
        """Begin the books: by group the displacements, and sums of what the curves show."""
        super().setup(task)
        self.state["sums"] = torch.zeros(self.groups, 5, device=task.class_counts.device)

    def backward(self, step: Step) -> None:
        """Take the groups' gradients here (Eq. 11), and descend along the gradient at eps."""
        if self.class_groups is None or self.scale == 0:
            return super().backward(step)
        members = self.class_groups[step.batch.targets]
        if self.direction == "residual" and (members == members[0]).all():
            return super().backward(step)  # alone in the batch, so without a residual
        within = f"{HEAD}." if self.perturbed == "head" else ""
        take = exact_gradients if self.gradients == "exact" else owned_gradients
        outputs, gradients = take(step, members, within)
        shares = [size / len(members) for size in members.bincount().tolist()]
        segments = Segments(self._perturbations(step, gradients, shares), members)
        if self.perturbed == "head":
            moved = {**outputs, "logits": moved_logits(step, outputs, segments, HEAD)}
            return step.descend(step.losses(moved).mean() + step.penalty())
        del outputs  # and the graph
        return step.descend(step.objective(segments))

    def _perturbations(
        self, step: Step, gradients: dict[int, Perturbation], shares: list[float]
    ) -> list[Perturbation]:
        """Return eps by group (Eq. 12-14), {} where there is none, and note it for the books."""
        mean = combined(list(gradients.values()), [shares[group] for group in gradients])
        weights = {n: w.detach() for n, w in step.network.named_parameters() if n in mean}
        images, perturbations = self.group_images.tolist(), {}
        for group, gradient in gradients.items():
            direction = self._direction(gradient, mean)
            if norm(direction) > PARALLEL * norm(gradient):
                perturbations[group] = self.reach.perturbation(weights, direction, images[group])
        books = tally(
            perturbations, gradients, mean, weights, cap=self.cap, like=self.state["sums"]
        )
        step.notes |= {"books": books, "mean": mean}
        return [perturbations.get(group, {}) for group in range(self.groups)]

    def _direction(self, gradient: Perturbation, mean: Perturbation) -> Perturbation:
        """Return the direction of a group's perturbation, not normalised."""
        if self.direction == "average":
            gradient, mean = mean, self.state.get("average", {})
            return combined([gradient, mean], [1.0, -1.0]) if mean else gradient
        if self.direction == "gradient":
            return gradient
        residual = rejected(gradient, mean)
        return (
            residual if self.direction == "residual" else combined([gradient, residual], [1.0, -1])
        )

    def after_step(self, step: Step) -> None:
        """Keep the epoch's books, and for direction="average" the gradient's running mean."""
        books = step.notes.get("books", torch.zeros_like(self.state["sums"]))
        self.state["sums"] = books + (self.state["sums"] if step.clock.step else 0)
        if self.direction == "average" and "mean" in step.notes:
            now = step.notes["mean"]
            self.state["average"] = combined([self.state.get("average", now), now], [0.9, 0.1])

    def curves(self) -> dict[str, float]:
        """Return the groups' curves and, by group, means over the epoch's displacements."""
        return super().curves() | read(self.state["sums"], "gsa")
