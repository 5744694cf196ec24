"""Whether this processor has bfloat16: measured, for no list of processors' names is complete."""

import time
from collections.abc import Iterable

import torch

from ltbench.engine.precision import autocast_of
from ltbench.runs.protocol import Protocol
from ltbench.specification import Term, parse_one

SLOW = 1.2  # times float32's time; between this and one they are too close to be worth a word
_TRIES = 5


def bfloat16_slowdown() -> float:
    """Return the time of a convolution's two passes in bfloat16 over that in float32.

    On the CPU, in a third of a second: of a ResNet-32's second stage, 32 images, one thread, the
    least of five. A processor without instructions for bfloat16 converts to float32 and back.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _seconds("bfloat16") / _seconds("float32")
    finally:
        torch.set_num_threads(threads)


def _seconds(precision: str) -> float:
    layout = torch.channels_last
    weight = torch.full((32, 32, 3, 3), 0.01).to(memory_format=layout).requires_grad_()
    images = torch.full((32, 32, 16, 16), 0.5).to(memory_format=layout).requires_grad_()
    autocast = autocast_of(precision, torch.device("cpu"))
    found = []
    for _ in range(_TRIES):
        started = time.perf_counter()
        with autocast():
            outputs = torch.nn.functional.conv2d(images, weight, padding=1)
        torch.autograd.backward(outputs.sum())
        found.append(time.perf_counter() - started)
    return min(found)


def slow_bfloat16(protocols: Iterable[Protocol]) -> str:
    """Return in words that this processor is slow in protocols' bfloat16, or nothing."""
    slow = [each for each in protocols if each.precision == "bfloat16"]
    slowdown = bfloat16_slowdown() if slow else 0.0
    if slowdown < SLOW:
        return ""
    names = dict.fromkeys(map(_in_float32, slow))
    return (
        f"a convolution in bfloat16 takes {slowdown:.1f} times as long as in float32 on this "
        f"processor; {' or '.join(names)} trains in float32, and its records are cells of their own"
    )


def _in_float32(protocol: Protocol) -> str:
    """Return what a protocol is called in float32."""
    term = parse_one(protocol.specification, "protocol")
    parameters = sorted({**term.parameters, "precision": "float32"}.items())
    return f'--protocol "{Term(term.name, term.variant, dict(parameters))}"'
