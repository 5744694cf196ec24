"""Convolutions and batch norms whose second derivatives cost as much as their first.

PyTorch composes the second derivative of a convolution from slow parts. But y = B(x, w) + b is
bilinear: with u, v and a the cotangents of the gradients in x, w and b that its backward gives,

    d/dgy = B(u, w) + B(x, v) + a    and    (d/dx, d/dw) = backward of B at (u, v),

for which the kernels of forward and backward serve again. A batch norm with stored statistics is
multiplied into the convolution before it, by products that are differentiated like all others.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from ltbench.api.norm_batch import BatchNormCall

Gradient = Tensor | None
_CALL = "_convolution"  # an attribute of tensors: how they were made, unless changed in place


class CheapSecondDerivatives(TorchFunctionMode):
    """Computes 2-d convolutions in a form that is its own second derivative.

    Batch norms with stored statistics, straight behind one, are multiplied into it. All other
    calls are PyTorch's; within the block no value changes but by rounding.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv2d:
            call = _Convolution(*args, **kwargs)
            if not isinstance(call.padding, str) and call.input.dim() == 4:
                y = _convolved(call)
                setattr(y, _CALL, call)
                return y
        elif func is F.batch_norm:
            norm = BatchNormCall(*args, **kwargs)
            before = getattr(norm.input, _CALL, None)
            if before is not None and not norm.training and norm.input._version == 0:
                return _convolved(_folded(before, norm))
        return func(*args, **kwargs)


class _Convolution(NamedTuple):
    """The arguments of `functional.conv2d`, in its order and with its defaults."""

    input: Tensor
    weight: Tensor
    bias: Tensor | None = None
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] | str = 0
    dilation: int | tuple[int, ...] = 1
    groups: int = 1


def _folded(call: _Convolution, norm: BatchNormCall) -> _Convolution:
    """Return the convolution whose output is that of a batch norm of a convolution."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = (norm.running_var + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean * scale
    if call.bias is not None:
        shift = shift + call.bias * scale
    if norm.bias is not None:
        shift = shift + norm.bias
    return call._replace(weight=call.weight * scale.view(-1, 1, 1, 1), bias=shift)


def _convolved(call: _Convolution) -> Tensor:
    assert not isinstance(call.padding, str)
    geometry = [_pair(value) for value in (call.stride, call.padding, call.dilation)]
    y: Tensor = _Convolve.apply(call.input, call.weight, call.bias, (*geometry, call.groups))
    return y


def _pair(value: int | tuple[int, ...]) -> list[int]:
    """Return a setting for height and width, which `functional.conv2d` takes once for both, too."""
    given = [value] if isinstance(value, int) else list(value)
    return given * 2 if len(given) == 1 else given


def _backward(
    gy: Tensor, x: Tensor, w: Tensor, geometry: tuple[Any, ...], needed: tuple[bool, bool, bool]
) -> tuple[Gradient, ...]:
    stride, padding, dilation, groups = geometry
    rest = [size - 1 - pad for size, pad in zip(w.shape[2:], padding, strict=True)]
    flips = needed[0] and (*stride, *dilation, groups) == (1, 1, 1, 1, 1) and min(rest) >= 0
    gx, gw, gb = torch.ops.aten.convolution_backward(
        gy, x, w, [len(w)], stride, padding, dilation, False, [0, 0], groups,
        [needed[0] and not flips, *needed[1:]],
    )  # fmt: skip
    if flips:  # the same sums, for which processors have the faster kernel
        gx = F.conv2d(gy, w.flip(2, 3).transpose(0, 1), padding=rest)
    return gx, gw, gb


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, geometry: tuple[Any, ...]
    ) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = geometry
        return F.conv2d(x, w, b, *geometry)

    @staticmethod
    def backward(ctx: Any, gy: Tensor) -> tuple[Gradient, ...]:
        gx, gw, gb = _ConvolveBackward.apply(gy, *ctx.saved_tensors, ctx.geometry)
        return gx, gw, gb if ctx.needs_input_grad[2] else None, None


class _ConvolveBackward(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, gy: Tensor, x: Tensor, w: Tensor, geometry: tuple[Any, ...]
    ) -> tuple[Gradient, ...]:
        ctx.save_for_backward(gy, x, w)
        ctx.set_materialize_grads(False)
        ctx.geometry = geometry
        _, wants_x, wants_w, _ = ctx.needs_input_grad
        return _backward(gy, x, w, geometry, (wants_x, wants_w, True))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Gradient, v: Gradient, a: Gradient) -> tuple[Gradient, ...]:
        gy, x, w = ctx.saved_tensors
        along = None if u is None else F.conv2d(u, w, None, *ctx.geometry)
        if v is not None:
            moved = F.conv2d(x, v, a, *ctx.geometry)
            along = moved if along is None else moved.add_(along)
        elif a is not None:
            along = a.view(-1, 1, 1).expand_as(gy) if along is None else along + a.view(-1, 1, 1)
        _, wants_x, wants_w, _ = ctx.needs_input_grad
        needed = (wants_x and v is not None, wants_w and u is not None, False)
        gx, gw, _ = _backward(
            gy, x if u is None else u, w if v is None else v, ctx.geometry, needed
        )
        return along, gx, gw, None
