"""Devices and precision: float32, or bfloat16 autocast; never a gradient scaler."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch

from ltbench.errors import UsageError, first_line

Autocast = Callable[[], AbstractContextManager[Any]]
TINY_PIXELS = 16 * 16


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
    # Weights change every step, and a displaced pass brings others: a cache of casts cannot help.
    return lambda: torch.autocast(device.type, torch.bfloat16, cache_enabled=False)
