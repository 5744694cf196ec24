"""The step: what a gradient rule evaluates, here or at displaced weights."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.method import Method, Outputs
from ltbench.perturb import Offset, Segments, evaluate_at
from ltbench.segments import evaluate_segmented
from ltbench.task import Batch, Clock


@dataclass
class Step:
    """One optimisation step: evaluates a method's objective here or at displaced weights.

    Its batch is the one that the method mixes of the given one.
    """

    method: Method
    network: nn.Module
    batch: Batch
    clock: Clock
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    outputs: Outputs | None = None  # detached, of the first undisplaced forward
    loss: Tensor | None = None  # detached mean of the first losses; progress and NaN guard read it
    notes: dict[str, Any] = field(default_factory=dict)  # of the gradient rule, for `after_step`

    def __post_init__(self) -> None:
        self.batch = self.method.mix(self.batch, self.clock)

    def forward(self, offset: Offset | Segments | None = None) -> Outputs:
        """Return the outputs, in float32 or finer, at the weights plus `offset`.

        With `Segments` every image is at its own segment's weights; what an output does not owe
        to images, such as prototypes, is at the undisplaced ones.
        """
        if isinstance(offset, Segments):
            outputs = evaluate_segmented(self.network, offset, self._forward)
            if not offset.here:
                return outputs
        elif offset is not None:
            return evaluate_at(self.network, offset, self._forward)
        else:
            outputs = self._forward(self.network)
        if self.outputs is None:
            self.outputs = {name: value.detach() for name, value in outputs.items()}
        return outputs

    def losses(self, outputs: Outputs) -> Tensor:
        """Return the method's losses [B] for outputs of this batch, times all weights.

        Of mixed images: share times the loss towards the targets, the rest towards the partners.
        """
        batch = self.batch
        losses = self._weighted(outputs, batch)
        if batch.partners is not None and batch.share is not None:
            other = self._weighted(outputs, batch._replace(targets=batch.partners))
            losses = batch.share * losses + (1 - batch.share) * other
        if self.loss is None:
            self.loss = losses.detach().mean()
        return losses * self.method.loss_weight(self.clock)

    def penalty(self, offset: Offset | Segments | None = None) -> Tensor:
        """Return the method's penalty at the weights plus `offset`.

        Under `Segments`, which displace the weights of images only, it is the undisplaced one.
        """
        if offset is None or isinstance(offset, Segments):
            return self.method.penalty(self.network, self.clock)
        return evaluate_at(
            self.network, offset, lambda network: self.method.penalty(network, self.clock)
        )

    def objective(self, offset: Offset | Segments | None = None) -> Tensor:
        """Return mean loss plus penalty at the weights plus `offset`, a scalar."""
        return self.losses(self.forward(offset)).mean() + self.penalty(offset)

    def gradients(self, value: Tensor, within: str = "", *, retain: bool = False) -> Offset:
        """Return the gradient of a scalar by trainable parameters whose name begins `within`.

        Detached, parameter by parameter; a parameter the value does not reach gives zeros.
        `retain` keeps the graph for another gradient through it.
        """
        chosen = {
            name: parameter
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad and name.startswith(within)
        }
        parts = torch.autograd.grad(
            value,
            list(chosen.values()),
            retain_graph=retain,
            allow_unused=True,
            materialize_grads=True,
        )
        return {name: part.detach() for name, part in zip(chosen, parts, strict=True)}

    def descend(self, value: Tensor) -> None:
        """Add the gradient of a scalar to `.grad` of the parameters it reaches."""
        value.backward()  # type: ignore[no-untyped-call]

    def _weighted(self, outputs: Outputs, batch: Batch) -> Tensor:
        losses = self.method.losses(outputs, batch, self.clock)
        return losses * self.method.sample_weights(batch, self.clock)

    def _forward(self, network: nn.Module, order: Tensor | None = None) -> Outputs:
        batch = self.batch if order is None else self.batch.select(order)
        with self.autocast():
            outputs = self.method.forward(network, batch, self.clock)
        # Losses, norms and similarities are computed in float32 whatever the convolutions used.
        return {
            name: value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
            for name, value in outputs.items()
        }
