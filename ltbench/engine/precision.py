"""Devices and precision: float32, or bfloat16 autocast; never a gradient scaler."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ltbench.errors import UsageError, first_line

Autocast = Callable[[], AbstractContextManager[Any]]
TINY_PIXELS = 16 * 16
_ROUNDED = (torch.float32, torch.bfloat16, torch.float16)  # not float64, as autocast has it


def device_of(name: str) -> torch.device:
    """Return the device called `auto`, `cpu`, `cuda` or `cuda:1`; raises UsageError if absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.partition(":")[0] == "mps":
        raise UsageError("ltbench does not train on Apple's GPUs (mps) yet; use --device cpu.")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        raise UsageError(
            f"no device {name!r} here ({first_line(error)}); use --device cpu."
        ) from None
    return device


@contextmanager
def threads_for(shape: tuple[int, int, int]) -> Iterator[None]:
    """Use one CPU thread for images of shape [channels, height, width] that are tiny.

    Their steps are too short to share: several threads gain nothing when alone, and wait for one
    another a hundred times longer than they compute when the machine has other work.
    """
    before = torch.get_num_threads()
    if shape[1] * shape[2] <= TINY_PIXELS:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def autocast_of(precision: str, device: torch.device) -> Autocast:
    """Return a factory of contexts in which forward passes run."""
    if precision == "float32":
        return nullcontext
    if not has_bfloat16(device):
        return _in_float32
    return lambda: _autocast(device)


def has_bfloat16(device: torch.device) -> bool:
    """Return whether PyTorch multiplies in bfloat16 by a device's instructions; GPUs have them."""
    if device.type != "cpu":
        return True
    known = torch.cpu.get_capabilities()
    has = any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))  # the last is ARM's
    return has and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def _autocast(device: torch.device) -> AbstractContextManager[Any]:
    # Weights change every step, and a displaced pass brings others: a cache of casts cannot help.
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


@contextmanager
def _in_float32() -> Iterator[None]:
    with _autocast(torch.device("cpu")), _InFloat32():
        yield


class _InFloat32(TorchFunctionMode):
    """Lets autocast's convolutions and linear layers multiply their rounded numbers in float32.

    PyTorch's own kernels do so, too, on a processor without bfloat16, at a fraction of the speed.
    Sums are those of instructions for it, up to their order; results and gradients are rounded
    where they round them.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in (F.conv2d, F.linear) or not _is_rounded((*args, *kwargs.values())):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            result = func(*map(_rounded, args), **{n: _rounded(v) for n, v in kwargs.items()})
            return result.bfloat16()


def _is_rounded(arguments: tuple[Any, ...]) -> bool:
    """Return whether autocast, as it is set here, rounds a function's tensors to bfloat16."""
    if not torch.is_autocast_enabled("cpu") or torch.get_autocast_dtype("cpu") != torch.bfloat16:
        return False
    tensors = [value for value in arguments if isinstance(value, Tensor)]
    return all(each.dtype in _ROUNDED and each.device.type == "cpu" for each in tensors)


def _rounded(value: Any) -> Any:
    """Return a tensor's values as bfloat16 has them, in float32; anything else as it is."""
    return value.bfloat16().float() if isinstance(value, Tensor) else value
