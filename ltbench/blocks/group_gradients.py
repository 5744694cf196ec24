"""Gradients of the mean loss of parts of a batch: exact, or through each part's own images."""

import torch
from torch import Tensor

from ltbench.api.method import Outputs, Step
from ltbench.api.perturb import Perturbation, Segments, combined, norm
from ltbench.api.ranks import averaged
from ltbench.errors import LtbenchError

GroupGradients = dict[int, Perturbation]
"""Segment to the gradient of its mean loss; a segment without images is left out."""


def exact_gradients(
    step: Step, members: Tensor, within: str = ""
) -> tuple[Outputs, GroupGradients]:
    """Return the undisplaced outputs and the gradient of every segment's mean loss.

    By the trainable parameters whose name begins `within`; `members` [B] are the images' segments.
    One forward pass, and one backward pass a segment: batch statistics and contrasts couple the
    images, so a segment's loss has a gradient through the other images too. The losses are those
    without the loss weight. With a `within` the outputs keep their graph, else it is freed.
    Raises LtbenchError for a gradient that is not finite.
    """
    outputs = step.forward()
    losses = step.losses(outputs) / step.method.loss_weight(step.clock)
    present = sorted(set(members.tolist()))
    gradients = {
        segment: step.gradients(
            losses[members == segment].mean(), within, retain=bool(within) or segment != present[-1]
        )
        for segment in present
    }
    return outputs, finite(step, gradients)


def owned_gradients(
    step: Step, members: Tensor, within: str = ""
) -> tuple[Outputs, GroupGradients]:
    """Return the outputs and the segments' gradients through their own images, in one pass back.

    Arguments and errors are those of `exact_gradients`. Every segment computes with a copy of the
    weights, whose gradient is divided by the segment's share in the batch; the gradient that
    reaches weights without images, as through prototypes, is added to each. So, weighted by their
    shares, the gradients add up to the batch's gradient.
    """
    named = step.network.named_parameters()
    weights: Perturbation = {n: w for n, w in named if w.requires_grad and n.startswith(within)}
    shares = [size / len(members) for size in members.bincount().tolist()]
    copies: list[Perturbation] = [
        {name: torch.zeros_like(weight).requires_grad_() for name, weight in weights.items()}
        if share
        else {}
        for share in shares
    ]
    outputs = step.forward(Segments(copies, members, here=True))
    losses = step.losses(outputs) / step.method.loss_weight(step.clock)
    tables = [weights, *filter(None, copies)]
    wanted = [tensor for table in tables for tensor in table.values()]
    found = torch.autograd.grad(losses.mean(), wanted, allow_unused=True, materialize_grads=True)
    parts = iter(averaged(found))
    whole, *own = ({name: next(parts) for name in table} for table in tables)
    common = combined([whole, *own], [1.0, *[-1.0] * len(own)])
    present = [(segment, share) for segment, share in enumerate(shares) if share]
    gradients = {
        segment: combined([gradient, common], [1 / share, 1.0])
        for gradient, (segment, share) in zip(own, present, strict=True)
    }
    return outputs, finite(step, gradients)


def finite(step: Step, gradients: GroupGradients) -> GroupGradients:
    """Return the gradients; raises LtbenchError, which says where, for one that is not finite."""
    for segment, gradient in gradients.items():
        if not norm(gradient).isfinite():
            where = f"epoch {step.clock.epoch + 1}, step {step.clock.step + 1}"
            raise LtbenchError(f"the gradient of group {segment} is not finite at {where}.")
    return gradients
