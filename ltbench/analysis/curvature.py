"""Products with the Hessian of a sample's loss, chunk by chunk, and the memory that they take."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.analysis.second_derivatives import CheapSecondDerivatives
from ltbench.analysis.subject import FinishedRun, Sample
from ltbench.errors import LtbenchError

Parameters = Literal["all", "weights", "classifier"]


class Curvature:
    """Products with the Hessian of a sample's loss in the parameters that its logits depend on.

    Images go through in chunks. The graph of one chunk is all that is held; where the sample is
    one chunk it is kept from product to product, which then costs as much as two gradients.
    """

    def __init__(
        self, run: FinishedRun, network: nn.Module, sample: Sample, which: Parameters = "all",
        chunk: int = 64,
    ) -> None:  # fmt: skip
        self.run, self.network, self.sample, self.chunk = run, network, sample, chunk
        self.names, self.parameters = influential(run, network, sample, which)
        self._kept: tuple[Tensor, ...] | None = None

    @property
    def size(self) -> int:
        """Return d."""
        return sum(p.numel() for p in self.parameters)

    def gradient(self) -> tuple[float, Tensor]:
        """Return the loss and its gradient [d]."""
        total, gradient = 0.0, torch.zeros_like(self._flat(self.parameters))
        for images, labels in self.sample.chunks(self.chunk):
            loss = self._loss(images, labels)
            total += float(loss.detach().double())
            gradient += self._flat(torch.autograd.grad(loss, self.parameters))
        return total, gradient

    def product(self, vector: Tensor) -> Tensor:
        """Return H v, [d], for a vector [d]: H v = d/dtheta (dL/dtheta . v)."""
        parts, start = [], 0
        for p in self.parameters:
            parts.append(vector[start : start + p.numel()].view_as(p))
            start += p.numel()
        if len(self.sample.labels) <= self.chunk:
            if self._kept is None:
                self._kept = self._gradients(self.sample.images, self.sample.labels)
            return self._second(self._kept, parts, retain=True)
        total = torch.zeros_like(vector)
        for images, labels in self.sample.chunks(self.chunk):
            total += self._second(self._gradients(images, labels), parts, retain=False)
        return total

    def _gradients(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        with CheapSecondDerivatives():
            loss = self._loss(images, labels)
        return torch.autograd.grad(loss, self.parameters, create_graph=True)

    def _second(self, gradients: Sequence[Tensor], parts: list[Tensor], *, retain: bool) -> Tensor:
        found = torch.autograd.grad(
            gradients, self.parameters, parts, retain_graph=retain, allow_unused=True,
            materialize_grads=True,
        )  # fmt: skip
        return self._flat(found)

    def _loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return the chunk's share of the loss in which every class weighs the same."""
        counts = self.sample.counts.double()
        weights = 1 / (counts[labels] * (counts > 0).sum())
        each = F.cross_entropy(self.run.predict(self.network, images), labels, reduction="none")
        return (each * weights.to(each)).sum()

    def direction(self, found: dict[str, Tensor]) -> Tensor:
        """Return a direction by names as a vector [d], zero where it has nothing."""
        named = zip(self.names, self.parameters, strict=True)
        return self._flat([found.get(name, torch.zeros_like(p)) for name, p in named])

    @staticmethod
    def _flat(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([tensor.detach().flatten() for tensor in tensors])


def influential(
    run: FinishedRun, network: nn.Module, sample: Sample, which: Parameters
) -> tuple[list[str], list[nn.Parameter]]:
    """Return the parameters that the logits depend on, of those that are asked for."""
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    named = [
        (name, p) for name, p in network.named_parameters()
        if which == "all" or (which == "weights" and p.dim() > 1)
        or (which == "classifier" and name.startswith("classifier."))
    ]  # fmt: skip
    if not named:
        raise LtbenchError(f"{run.name} has no parameters called {which}; choose all.")
    logits = run.predict(network, sample.images[:2])
    reached = torch.autograd.grad(logits.sum(), [p for _, p in named], allow_unused=True)
    kept = [pair for pair, found in zip(named, reached, strict=True) if found is not None]
    return [name for name, _ in kept], [p for _, p in kept]


def check_memory(curvature: Curvature, steps: int) -> None:
    """Raise LtbenchError, saying how much is needed, where the basis of Lanczos does not fit."""
    parameter = curvature.parameters[0]
    needed = (steps + 4) * curvature.size * parameter.element_size()
    free = free_memory(parameter.device)
    if free is not None and needed > free:
        raise LtbenchError(
            f"{steps} vectors of {curvature.size:,} weights take {needed / 2**20:.1f} MiB and "
            f"{free / 2**20:.1f} MiB are free; take fewer steps, such as hessian(steps=20)."
        )


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that are free on a device; None where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    kibibytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(kibibytes[0]) * 1024 if kibibytes else None
