"""A forward pass of a batch; of several processes each takes a part, and all get all outputs.

A mode follows what is computed from images: that is gathered from all processes, and normalised
jointly by batch norm; what depends on weights alone, such as prototypes, is the same on each.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from ltbench.api.norm_batch import BatchNormCall, parts_of, place_in_batch
from ltbench.api.perturb import Perturbation, Segments, evaluate_at
from ltbench.api.ranks import Part, summed
from ltbench.api.segments import evaluate_segmented, tensors_in
from ltbench.data.batch import Batch

Outputs = dict[str, Tensor]
_MARK = "_of_images"  # an attribute of tensors


def joint_pass(
    network: nn.Module,
    batch: Batch,
    perturbation: Perturbation | Segments | None,
    forward: Callable[..., Outputs],
    norm_batch: int | None = None,
) -> Outputs:
    """Return `forward(batch, network)` for a whole batch, at the weights plus a perturbation.

    With `Segments` it is `forward(batch, network, order)`. Batch norm normalises the whole batch,
    or about `norm_batch` of its images at a time where `norm_batches` has it so.
    """
    part = Part.of(len(batch.targets))
    if part is None:
        return _evaluate(network, perturbation, partial(forward, batch))
    place = slice(part.first, part.last)
    own = batch.select(place)
    mark(own)
    if isinstance(perturbation, Segments):
        perturbation = replace(perturbation, members=perturbation.members[place])
    with _Joint(part, norm_batch):
        outputs = _evaluate(network, perturbation, partial(forward, own))
    return {
        name: part.gathered(name, value) if hasattr(value, _MARK) else value
        for name, value in outputs.items()
    }


def _evaluate(
    network: nn.Module,
    perturbation: Perturbation | Segments | None,
    function: Callable[..., Outputs],
) -> Outputs:
    if perturbation is None:
        return function(network)
    if isinstance(perturbation, Segments):
        return evaluate_segmented(network, perturbation, function)
    return evaluate_at(network, perturbation, function)


def mark(value: Any) -> None:
    """Say of each tensor in a nest that it is of images."""
    for tensor in tensors_in([value]):
        setattr(tensor, _MARK, True)


class _Joint(TorchFunctionMode):
    """Marks what is computed from images, and lets batch norm see those of all processes."""

    def __init__(self, part: Part, norm_batch: int | None) -> None:
        super().__init__()
        self.part, self.groups = part, parts_of(norm_batch, part.images)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = tensors_in((*args, *kwargs.values()))
        if not any(hasattr(tensor, _MARK) for tensor in given):
            return func(*args, **kwargs)
        if func is F.batch_norm:
            result = self._batch_norm(BatchNormCall(*args, **kwargs))
        else:
            result = func(*args, **kwargs)
        mark(result)
        return result

    def _batch_norm(self, call: BatchNormCall) -> Tensor:
        rows, running_mean, running_var, weight, bias, training, momentum, eps = call
        if not training:
            given = (running_mean, running_var, weight, bias)
            return F.batch_norm(rows, *given, training=False, eps=eps)
        found = _Normalised.apply(rows, self._group_of(rows), self.groups, eps)
        normal, mean, variance, count = found
        if running_mean is not None and running_var is not None:  # of the first group, as alone
            unbiased = variance[0] * count[0] / (count[0] - 1)
            running_mean.lerp_(mean[0].to(running_mean), momentum)
            running_var.lerp_(unbiased.to(running_var), momentum)
        shape = (1, -1) + (1,) * (rows.dim() - 2)
        if weight is not None:
            normal = normal * weight.view(shape)
        if bias is not None:
            normal = normal + bias.view(shape)
        joint: Tensor = normal.to(rows.dtype)
        return joint

    def _group_of(self, rows: Tensor) -> Tensor:
        """Return which part of the whole batch's rows each row is normalised with, int64 [n]."""
        if self.groups == 1:
            return torch.zeros(len(rows), dtype=torch.int64, device=rows.device)
        first, last, images, _ = self.part
        place, total = place_in_batch(len(rows), first, last - first, images, rows.device)
        group = torch.empty(total, dtype=torch.int64, device=rows.device)
        for number, part in enumerate(group.tensor_split(self.groups)):
            part.fill_(number)
        return group[place]


class _Normalised(torch.autograd.Function):
    """Rows [n, C, ...] less their group's mean, over its deviation, over all processes.

    Besides mean and variance [G, C] and the numbers [G, 1] that they are of.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, group: Tensor, groups: int, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        flat = _flat(rows)
        member = F.one_hot(group, groups).T.to(flat)  # [G, n]
        pixels = flat.new_full((len(flat), 1), flat.shape[2])
        sums = _by_group(member, flat.sum(2), pixels)
        count = sums[:, -1:]
        mean = sums[:, :-1] / count
        centred = flat - mean[group].unsqueeze(2)
        variance = _by_group(member, centred.square().sum(2)) / count
        scale = (variance + eps).rsqrt()
        normal = (centred * scale[group].unsqueeze(2)).reshape(rows.shape).to(rows.dtype)
        ctx.save_for_backward(normal, scale, group, member, count)
        ctx.mark_non_differentiable(mean, variance, count)
        return normal, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, None, None, None]:
        normal, scale, group, member, count = ctx.saved_tensors
        own, flat = _flat(gradient), _flat(normal)
        sums = _by_group(member, own.sum(2), (own * flat).sum(2)) / count
        mean, along = sums[group].unsqueeze(2).chunk(2, 1)
        moved = scale[group].unsqueeze(2) * (own - mean - flat * along)
        return moved.reshape(gradient.shape).to(gradient.dtype), None, None, None


def _by_group(member: Tensor, *columns: Tensor) -> Tensor:
    """Return sums of columns [n, K] over the rows of each group and all processes, side by side."""
    with torch.autocast(member.device.type, enabled=False):  # else a product in 8 bits
        return summed(member @ torch.cat(columns, 1))


def _flat(rows: Tensor) -> Tensor:
    """Return rows as [n, C, pixels], in float32 or finer."""
    return rows.to(torch.promote_types(rows.dtype, torch.float32)).unsqueeze(-1).flatten(2)
