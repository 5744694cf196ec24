"""Gradients of parts of a batch, and how far theory lets weights move along them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ltbench.analysis.min_norm import min_norm_weights
from ltbench.errors import LtbenchError
from ltbench.method import Outputs
from ltbench.perturb import Offset, Segments, combined, inner, norm, scaled
from ltbench.segments import evaluate_segmented
from ltbench.step import Step

Slopes = dict[int, Offset]
"""Segment to the gradient of its mean loss; a segment without images is left out."""


def exact_slopes(step: Step, members: Tensor, within: str = "") -> tuple[Outputs, Slopes]:
    """Return the outputs here and the segments' slopes, by the weights that begin `within`.

    One forward pass, and one backward pass a segment: batch statistics and contrasts couple the
    images, so a segment's loss has a gradient through the other images too. The losses are those
    without the loss weight. The graph of the outputs is kept only where `within` leaves it useful.
    Raises LtbenchError for a slope that is not finite.
    """
    outputs = step.forward()
    losses = step.losses(outputs) / step.method.loss_weight(step.clock)
    present = sorted(set(members.tolist()))
    slopes = {
        segment: step.gradients(
            losses[members == segment].mean(), within, retain=bool(within) or segment != present[-1]
        )
        for segment in present
    }
    return outputs, _finite(step, slopes)


def owned_slopes(step: Step, members: Tensor, within: str = "") -> tuple[Outputs, Slopes]:
    """Return the same by one backward pass: the mean loss's gradient through a segment's images.

    Every segment computes with a copy of the weights, whose gradient is divided by the segment's
    share in the batch; what reaches the weights past all images, such as through prototypes, is
    added to each. So, weighted by their shares, the slopes add up to the batch's gradient.
    """
    named = step.network.named_parameters()
    weights: Offset = {n: w for n, w in named if w.requires_grad and n.startswith(within)}
    shares = [size / len(members) for size in members.bincount().tolist()]
    copies: list[Offset] = [
        {name: torch.zeros_like(weight).requires_grad_() for name, weight in weights.items()}
        if share
        else {}
        for share in shares
    ]
    outputs = step.forward(Segments(copies, members, here=True))
    losses = step.losses(outputs) / step.method.loss_weight(step.clock)
    tables = [weights, *filter(None, copies)]
    wanted = [tensor for table in tables for tensor in table.values()]
    parts = iter(
        torch.autograd.grad(losses.mean(), wanted, allow_unused=True, materialize_grads=True)
    )
    whole, *own = ({name: next(parts) for name in table} for table in tables)
    common = combined([whole, *own], [1.0, *[-1.0] * len(own)])
    present = [(segment, share) for segment, share in enumerate(shares) if share]
    slopes = {
        segment: combined([slope, common], [1 / share, 1.0])
        for slope, (segment, share) in zip(own, present, strict=True)
    }
    return outputs, _finite(step, slopes)


def fair_weights(step: Step, losses: Tensor, members: Tensor, groups: int, within: str) -> Tensor:
    """Return weights [G] of sum 1 by which the segments' slopes, normalised, add up to the least.

    Multiple-gradient descent of the segments' mean losses (Desideri, 2012): whatever is not yet
    stationary falls for all along that sum. A slope is divided by its length and its loss ("loss+"
    of Sener and Koltun, NeurIPS 2018). A segment without images, loss or slope has no weight. The
    graph of the losses is kept. Raises LtbenchError for a slope that is not finite.
    """
    means = {segment: losses[members == segment].mean() for segment in set(members.tolist())}
    slopes = {s: step.gradients(mean, within, retain=True) for s, mean in sorted(means.items())}
    reaches = {s: norm(slope) * means[s].detach() for s, slope in _finite(step, slopes).items()}
    rows = {
        segment: torch.cat([part.flatten() for part in slopes[segment].values()]).double() / reach
        for segment, reach in reaches.items()
        if reach > 0
    }
    weights = losses.new_zeros(groups)
    if rows:
        every = torch.stack(list(rows.values()))
        weights[list(rows)] = min_norm_weights(every @ every.T).to(weights)
    return weights


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


def safe_radius(weights: Tensor, slope: Tensor, size: int, images: int) -> Tensor:
    """Return (|w| / 2 |g|)^{1/2} (d (n - 1))^{-1/4} for norms |w| and |g|, d weights, n images.

    There the PAC-Bayes bound of sharpness-aware minimisation is lowest. One image counts as two.
    """
    radius: Tensor = (weights / (2 * slope)).sqrt() * (size * max(images - 1, 1)) ** -0.25
    return radius


@dataclass(frozen=True)
class Reach:
    """The length of an offset: sqrt(d) rho with rho = scale times the safe radius, within bounds.

    `cap` bounds |offset| / |w|; `adaptive` measures in units of |w|, as adaptive SAM (Kwon et al.,
    ICML 2021): the offset is then w^2 g sqrt(d) rho / |w g|.
    """

    scale: float
    cap: float
    least: float = 0.0  # rho
    most: float = 1e9
    adaptive: bool = False

    def __post_init__(self) -> None:
        if min(self.scale, self.cap, self.least) < 0 or self.most < self.least:
            raise ValueError("scale, cap and least must not be negative, nor most under least")

    def offset(self, weights: Mapping[str, Tensor], way: Offset, images: int) -> Offset:
        """Return the offset of some weights along a slope, for n images."""
        size = sum(weight.numel() for weight in way.values())
        rho = self.scale * safe_radius(norm(weights), norm(way), size, images)
        length = size**0.5 * rho.clamp(self.least, self.most)
        if self.adaptive:
            length = length / norm({name: weights[name] * part for name, part in way.items()})
            offset = {name: length * weights[name] ** 2 * part for name, part in way.items()}
            length = norm(offset)
        return scaled(offset if self.adaptive else way, length.minimum(self.cap * norm(weights)))


SHOWN = ("cosine", "ratio", "radius", "capped")


def tally(
    offsets: Mapping[int, Offset],
    slopes: Slopes,
    mean: Offset,
    weights: Offset,
    *,
    cap: float,
    like: Tensor,
) -> Tensor:
    """Return what a step's offsets add to the books `like`, [segments, 5].

    One for the offset, then its slope's cosine to the mean slope, |offset| / |w|, |offset| / d^1/2,
    and one where the cap bound it.
    """
    books, size = torch.zeros_like(like), sum(weight.numel() for weight in weights.values())
    for segment, offset in offsets.items():
        slope, ratio = slopes[segment], norm(offset) / norm(weights)
        cosine = inner(slope, mean) / (norm(slope) * norm(mean))
        capped = (ratio > 0.999 * cap).to(ratio)
        shown = (torch.ones_like(ratio), cosine, ratio, norm(offset) / size**0.5, capped)
        books[segment] = torch.stack(shown)
    return books


def read(books: Tensor, name: str) -> dict[str, float]:
    """Return the means of books over their offsets, for curves: name0_cosine, name0_ratio …"""
    return {
        f"{name}{segment}_{column}": value / count
        for segment, (count, *sums) in enumerate(books.tolist())
        for column, value in zip(SHOWN, sums, strict=True)
        if count
    }


def _finite(step: Step, slopes: Slopes) -> Slopes:
    for segment, slope in slopes.items():
        if not norm(slope).isfinite():
            where = f"epoch {step.clock.epoch + 1}, step {step.clock.step + 1}"
            raise LtbenchError(f"the gradient of group {segment} is not finite at {where}.")
    return slopes
