"""The method protocol: what a paper may change about plain cross-entropy training.

A method is one dataclass in one file deriving from `Method`. Every hook defaults to plain
cross-entropy training, so the file is a diff: it overrides only what its paper changes.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.data.graded import Grading
from ltbench.engine.recipe import Recipe
from ltbench.networks import Network
from ltbench.task import Batch, Clock, Task

if TYPE_CHECKING:
    from ltbench.engine.images import TrainingImages
    from ltbench.step import Step

Outputs = dict[str, Tensor]
"""What a forward pass gives: "logits" [B, C] always; "features", "projections" … by name."""


@dataclass(frozen=True)
class Stage:
    """A span of training with one recipe and one trainable set."""

    name: str
    recipe: Recipe
    sampler: str = "instance_balanced"
    trainable: tuple[str, ...] = ("",)  # prefixes of parameter names
    reset: tuple[str, ...] = ()  # modules re-initialised at the start
    evaluating: tuple[str, ...] = ()  # modules that neither use nor move batch statistics
    method: "Method | None" = None  # who is in charge; None: the run's own method
    rates: tuple[tuple[str, float], ...] = ()  # prefix and factor on the learning rate

    @property
    def trains_backbone(self) -> bool:
        """Return whether any backbone parameter moves in this stage."""
        return any("backbone.".startswith(p) or p.startswith("backbone") for p in self.trainable)


@dataclass
class Method:
    """Plain cross-entropy training; subclasses override what their paper changes.

    Hooks run in this order: `bind`, `build`, `stages`; every epoch `grading`; every step `mix`,
    `backward` (which calls `forward`, `losses`, `penalty` through the step) and `after_step`;
    every epoch `after_epoch`; between stages `enter`; at the end, on a copy, `finalize`,
    `predict`, `adjust`.
    Only training data reaches a hook.
    """

    views: ClassVar[tuple[str, ...]] = ("standard",)
    variants: ClassVar[dict[str, dict[str, Any]]] = {}  # name@variant: parameters that differ
    deviations: ClassVar[tuple[str, ...]] = ()  # from the paper, one sentence each

    task: Task = field(init=False, repr=False, compare=False)
    state: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)
    # `state` holds tensors and nests by string keys: everything that must survive a checkpoint.

    # before training

    def meet(self, parts: "tuple[Method, ...]") -> None:
        """Meet the parts of the composition this one belongs to, itself included, in order.

        Called when it is composed, perhaps several times. What parts share is kept by one of
        them, in its state, and read by the others. Raises TypeError for parts that do not fit.
        """

    def bind(self, task: Task) -> None:
        """Take the task; called once, before anything else."""
        self.task = task

    def build(self, network: Network) -> Network:
        """Return the network to train: heads swapped, parts added. Random numbers are seeded."""
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the stages of training; they depend on the protocol's recipe alone."""
        return (Stage("train", recipe),)

    def enter(self, network: Network, stage: str) -> Network:
        """Return the network that a stage after the first trains: heads changed, parts added.

        Called once as the stage begins, before what it resets. Random numbers are seeded.
        """
        return network

    # the objective: pure functions

    def grading(self, targets: Tensor, clock: Clock) -> Grading | None:
        """Return how strongly an epoch's images are augmented in the first view beyond what it is.

        `targets` [N] are the labels of all the epoch's images in order; None leaves the view alone.
        """
        return None

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch to train on; mixed images bring their `partners` and their `share`.

        Losses are then taken towards the targets and the partners, and mixed by the share.
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

    # the gradient rule

    def backward(self, step: "Step") -> None:
        """Fill `.grad` of the trainable parameters; may evaluate the objective anywhere."""
        step.descend(step.objective())

    # bookkeeping: the only places where state changes

    def after_step(self, step: "Step") -> None:
        """Update state after the optimiser's step; `step.outputs` is the undisplaced pass."""

    def after_epoch(self, network: nn.Module, data: "TrainingImages", clock: Clock) -> None:
        """Update state after an epoch; `data()` iterates the clean training images in order.

        `data.recognised` sees them through the first view.
        """

    def curves(self) -> dict[str, float]:
        """Return scalars to log for the epoch that ends, after `after_epoch`."""
        return {}

    # inference

    def finalize(self, network: nn.Module) -> None:
        """Change a copy of the trained network for prediction: merge, normalise."""

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return logits [B, C] for normalised images."""
        logits: Tensor = network(images)["logits"]
        return logits

    def adjust(self, logits: Tensor) -> Tensor:
        """Return the logits of the whole test set, [N, C], adjusted after training."""
        return logits
