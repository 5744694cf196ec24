"""What a method's code may not leave behind: global generators, torch's settings, changed data."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from ltbench.data.batch import seed_of
from ltbench.data.feed import Feed
from ltbench.errors import LtbenchError

_SETTINGS: tuple[tuple[Any, Any], ...] = (
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
)
_FLAGS: tuple[tuple[Any, str], ...] = (
    (torch.backends.cudnn, "enabled"),
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
    (torch.backends.mkldnn, "enabled"),
)


def seed_all(seed: int, *purpose: str | int) -> None:
    """Seed the global generators of torch, CUDA, NumPy and Python for one purpose of a run.

    Whatever draws from them, such as dropout, then draws the same again in a resumed run.
    """
    value = seed_of(seed, *purpose)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)
    random.seed(value)


@contextmanager
def generators_restored() -> Iterator[None]:
    """Run a block, then give the global generators back as they were."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    numpy, python = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        np.random.set_state(numpy)
        random.setstate(python)


@contextmanager
def seeded(seed: int, *purpose: str | int) -> Iterator[None]:
    """Run a block with the global generators seeded for one purpose, then restore them."""
    with generators_restored():
        seed_all(seed, *purpose)
        yield


@contextmanager
def isolated(*feeds: Feed | None) -> Iterator[None]:
    """Run a block that may change neither data nor, beyond its end, generators and settings.

    Restored are torch's default type, precisions, threads, backends and whether it takes gradients.
    Raises LtbenchError where images or labels are other bytes after the block than before it.
    """
    before = [_digest(feed) for feed in feeds if feed]
    settings = [get() for get, _ in _SETTINGS]
    flags = [getattr(module, name) for module, name in _FLAGS]
    try:
        with generators_restored():
            yield
    finally:
        for (get, put), value in zip(_SETTINGS, settings, strict=True):
            if get() != value:
                put(value)
        for (module, name), value in zip(_FLAGS, flags, strict=True):
            if getattr(module, name) != value:
                setattr(module, name, value)
    if before != [_digest(feed) for feed in feeds if feed]:
        raise LtbenchError(
            "the images or labels changed while the method trained; "
            "let it write into copies, never into what a hook is given."
        )


def _digest(feed: Feed) -> str:
    """Return the SHA-256 of a feed's images and labels."""
    found = hashlib.sha256()
    for tensor in feed.held:
        found.update(tensor.cpu().contiguous().numpy().data)
    return found.hexdigest()
