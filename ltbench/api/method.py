"""The method protocol: what a paper may change about plain cross-entropy training.

A method is one dataclass in one file deriving from `Method`. Every hook defaults to plain
cross-entropy training, so the file is a diff: it overrides only what its paper changes.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.api.dropout import step_masks
from ltbench.api.joint_pass import joint_pass
from ltbench.api.perturb import Perturbation, Segments, evaluate_at, warn_if_lost
from ltbench.api.ranks import averaged
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.task import Clock, Task
from ltbench.data.augment.views import View
from ltbench.data.batch import Batch
from ltbench.data.kind import Kind
from ltbench.data.training_images import TrainingImages
from ltbench.networks import Network

Outputs = dict[str, Tensor]
"""What a forward pass gives: "logits" [B, C] always; "features", "projections" … by name."""


@dataclass
class Method:
    """Plain cross-entropy training; subclasses override what their paper changes.

    Hooks run in this order: `setup`, `stages`, `build`; every epoch `augment`; every step `mix`,
    `backward` (which calls `forward`, `losses`, `penalty` through the step) and `after_step`;
    every epoch `after_epoch`; between stages `begin_stage`; at the end, on a copy, `finalize`,
    `predict`, `adjust_logits`. Only training data reaches a hook.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("single",)  # of tasks: one label an image, or several
    network_library: ClassVar[str] = ""  # whose networks alone it trains, such as clip; empty: any
    views: ClassVar[tuple[str, ...]] = ("standard",)
    variants: ClassVar[dict[str, dict[str, Any]]] = {}  # name@variant: parameters that differ
    deviations: ClassVar[tuple[str, ...]] = ()  # from the paper, one sentence each
    version: ClassVar[int] = 1  # raised by a change that makes runs of before another method's
    later: ClassVar[tuple[str, ...]] = ()  # parameters that count only where they differ

    task: Task = field(init=False, repr=False, compare=False)
    state: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)
    # `state` holds tensors and nests by string keys: everything that must survive a checkpoint.

    # before training
    def on_compose(self, parts: "tuple[Method, ...]") -> None:
        """Take note of all parts, in order; called for each composition this method is in.

        State that parts share is kept by one of them. Raises TypeError for parts that clash.
        """

    def setup(self, task: Task) -> None:
        """Take the task; called once, before anything else."""
        self.task = task

    def build(self, network: Network) -> Network:
        """Return the network to train: heads swapped, parts added. Random numbers are seeded."""
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stages of training, which depend on the protocol's recipe alone."""
        return (Stage(name="train", recipe=recipe),)

    def begin_stage(self, network: Network, stage: str) -> Network:
        """Return the network that a stage after the first trains: heads changed, parts added.

        Called once as the stage begins, before what it resets. Random numbers are seeded.
        """
        return network

    # the objective: pure functions
    def augment(self, view: View, targets: Tensor, clock: Clock) -> View:
        """Return the parts of an epoch's first view: these, others added, dropped or reordered.

        `targets` [N] are the labels of all the epoch's images, which each part gets in that order.
        """
        return view

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch to train on; mixed images bring `mix_targets` and `mix_ratio`, both [B].

        Their loss is mix_ratio times that towards targets, and the rest towards mix_targets.
        """
        return batch

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return the network's outputs for a batch; at least "logits" [B, C]."""
        outputs: Outputs = network(batch.images)
        return outputs

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return one loss a sample, [B]. Pure: no state, no randomness but the clock's."""
        return F.cross_entropy(outputs["logits"], batch.targets, reduction="none")

    def sample_weights(self, batch: Batch, clock: Clock) -> Tensor:
        """Return the factors on the losses, [B]: what re-weights any loss by its target."""
        return torch.ones(len(batch.targets), device=batch.targets.device)

    def penalty(self, network: nn.Module, clock: Clock) -> Tensor:
        """Return a scalar on the weights, added to the mean loss."""
        return torch.zeros((), device=next(network.parameters()).device)

    def loss_weight(self, clock: Clock) -> float:
        """Return the factor on the losses in the objective, for a convex mix with a penalty."""
        return 1.0

    def backward(self, step: "Step") -> None:
        """Fill `.grad` of the trainable parameters; may evaluate the objective anywhere."""
        step.descend(step.objective())

    # bookkeeping: the only places where state changes

    def after_step(self, step: "Step") -> None:
        """Update state after the optimiser's step; `step.outputs` is the undisplaced pass."""

    def after_epoch(self, network: nn.Module, data: TrainingImages, clock: Clock) -> None:
        """Update state after an epoch; `data()` iterates the clean training images in order."""

    def curves(self) -> dict[str, float]:
        """Return scalars of the epoch that ends, after `after_epoch`; `Step.log` is for steps."""
        return {}

    def finalize(self, network: nn.Module) -> None:
        """Change a copy of the trained network for prediction: merge, normalise."""

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return logits [B, C] for normalised images."""
        logits: Tensor = network(images)["logits"]
        return logits

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Return the logits of the whole test set, [N, C], adjusted after training."""
        return logits


@dataclass
class Step:
    """One optimisation step on a batch that the method mixed: outputs, losses and gradients."""

    method: Method
    network: nn.Module
    batch: Batch
    clock: Clock
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext
    outputs: Outputs | None = None  # detached, of the first undisplaced forward
    loss: Tensor | None = None  # detached mean of the first losses; progress and NaN guard read it
    notes: dict[str, Any] = field(default_factory=dict)  # of the gradient rule, for `after_step`
    logged: dict[str, Tensor | float] = field(default_factory=dict)  # by `log`, for the engine
    dropping: bool | None = None  # whether the network has dropout; None: it is looked through

    def __post_init__(self) -> None:
        self.batch = self.method.mix(self.batch, self.clock)

    def forward(self, perturbation: Perturbation | Segments | None = None) -> Outputs:
        """Return the outputs, in float32 or finer, at the weights plus `perturbation`.

        With `Segments` every image is at its own segment's weights; an output of weights alone,
        such as prototypes, is at the undisplaced ones.
        """
        if perturbation and not self.clock.step:
            warn_if_lost(self.network, perturbation, self.autocast)
        norm_batch = self.clock.recipe.norm_batch if self.clock.recipe else None
        with step_masks(self.network, self.clock, len(self.batch.targets), self.dropping):
            outputs = joint_pass(self.network, self.batch, perturbation, self._forward, norm_batch)
        here = isinstance(perturbation, Segments) and perturbation.here
        if self.outputs is None and (perturbation is None or here):
            self.outputs = {name: value.detach() for name, value in outputs.items()}
        return outputs

    def losses(self, outputs: Outputs) -> Tensor:
        """Return the losses [B] for outputs of this batch, weighted, and mixed as `mix` says."""
        batch = self.batch
        losses = self._weighted(outputs, batch)
        if batch.mix_targets is not None and batch.mix_ratio is not None:
            other = self._weighted(outputs, batch._replace(targets=batch.mix_targets))
            losses = batch.mix_ratio * losses + (1 - batch.mix_ratio) * other
        if self.loss is None:
            self.loss = losses.detach().mean()
        return losses * self.method.loss_weight(self.clock)

    def penalty(self, perturbation: Perturbation | Segments | None = None) -> Tensor:
        """Return the method's penalty at the weights plus `perturbation`.

        Under `Segments`, which displace the weights of images only, it is the undisplaced one.
        """
        if perturbation is None or isinstance(perturbation, Segments):
            return self.method.penalty(self.network, self.clock)
        return evaluate_at(
            self.network, perturbation, lambda network: self.method.penalty(network, self.clock)
        )

    def objective(self, perturbation: Perturbation | Segments | None = None) -> Tensor:
        """Return mean loss plus penalty at the weights plus `perturbation`, a scalar."""
        return self.losses(self.forward(perturbation)).mean() + self.penalty(perturbation)

    def gradients(self, value: Tensor, within: str = "", *, retain: bool = False) -> Perturbation:
        """Return the gradient of a scalar by trainable parameters whose name begins `within`.

        Detached, parameter by parameter; a parameter the value does not reach gives zeros.
        `retain` keeps the graph for another gradient through it.
        """
        own = {
            name: parameter
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad and name.startswith(within)
        }
        weights = list(own.values())
        parts = torch.autograd.grad(
            value, weights, retain_graph=retain, allow_unused=True, materialize_grads=True
        )
        return {name: part.detach() for name, part in zip(own, averaged(parts), strict=True)}

    def log(self, name: str, value: Tensor | float) -> None:
        """Log a scalar of this step; its mean over the epoch's steps that log it is a curve.

        For `backward` and `after_step`. A tensor of one element is detached and stays on its
        device, so no step waits. A name logged twice in one step keeps the later value; parts of a
        composition begin theirs with their own. Raises ValueError for a tensor of more elements.
        """
        if isinstance(value, Tensor):
            if value.numel() != 1:
                raise ValueError(f"step.log({name!r}) takes a scalar, not {tuple(value.shape)}")
            value = value.detach().reshape(())
        self.logged[name] = value

    def descend(self, value: Tensor) -> None:
        """Add the gradient of a scalar to `.grad` of the parameters it reaches."""
        value.backward()  # type: ignore[no-untyped-call]

    def _weighted(self, outputs: Outputs, batch: Batch) -> Tensor:
        losses = self.method.losses(outputs, batch, self.clock)
        return losses * self.method.sample_weights(batch, self.clock)

    def _forward(self, batch: Batch, network: nn.Module, order: Tensor | None = None) -> Outputs:
        batch = batch if order is None else batch.select(order)
        with self.autocast():
            outputs = self.method.forward(network, batch, self.clock)
        # Losses, norms and similarities are computed in float32 whatever the convolutions used.
        half = (torch.bfloat16, torch.float16)
        return {name: v.float() if v.dtype in half else v for name, v in outputs.items()}
