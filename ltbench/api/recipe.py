"""A recipe: how long and how fast a stage trains. Imports nothing heavy, so the CLI can read it."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

from ltbench.errors import UsageError

WARMUP_FROM = 1 / 3  # of the rate, where a warm-up by steps begins


@dataclass(frozen=True)
class Recipe:
    """Optimisation of one stage by SGD; but for a warm-up by steps, rates change between epochs.

    `milestones` are shares of `epochs` (0.8 of 200 is the field's "160"); at each, the learning
    rate is multiplied by `decay`. The cosine schedule falls from the first epoch after warm-up
    to zero just after the last; the shifted one is of (e + 1) / (E + 1), not of e / E. Warm-up is
    linear: epoch e trains at (e + 1) / warmup_epochs; or it is by steps, from a third of the rate.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    momentum: float = 0.9
    nesterov: bool = False
    warmup_epochs: int = 0
    schedule: Literal["step", "cosine", "shifted_cosine"] = "step"
    milestones: tuple[float, ...] = (0.8, 0.9)
    decay: float = 0.01
    drop_last: bool = False
    family: str = "cifar"  # of data sets that papers train alike; small images are CIFAR's
    backbone_rate: float = 1.0  # factor on the learning rate of the encoder
    norm_batch: int | None = None  # images of which batch norm takes statistics; None: the batch
    warmup_steps: int = 0  # in which the rate rises from a third of what it else is
    clip_norm: float | None = None  # the largest norm of all gradients together; None: any
    frozen_stages: int = 0  # of a residual encoder, with its stem; 0: everything trains
    frozen_norms: bool = False  # whether the encoder's batch norms are as in evaluation
    tail_only: bool = False  # whether the tail's images alone are drawn, as many as else of all

    def times(self, **factors: tuple[float, float, float]) -> "Recipe":
        """Return the recipe with batch size, learning rate and weight decay times its family's.

        A method's settings are a paper's for each family; one that is not named keeps the
        protocol's own. A batch has at least one image.
        """
        batch, rate, decay = factors.get(self.family, (1.0, 1.0, 1.0))
        return replace(
            self,
            batch_size=max(1, int(batch * self.batch_size)),
            learning_rate=rate * self.learning_rate,
            weight_decay=decay * self.weight_decay,
        )

    def second(self, length: float) -> "Recipe":
        """Return the recipe of a second stage: a share of the epochs, a cosine, no warm-up."""
        epochs = max(1, round(length * self.epochs))
        return replace(self, epochs=epochs, schedule="cosine", warmup_epochs=0, warmup_steps=0)

    def learning_rate_at(self, epoch: int, step: int | None = None) -> float:
        """Return the learning rate of a zero-based epoch; `step` is of the stage, zero-based."""
        if step is not None and step < self.warmup_steps:
            share = step / self.warmup_steps
            return self.learning_rate_at(epoch) * (WARMUP_FROM + (1 - WARMUP_FROM) * share)
        if epoch < self.warmup_epochs:
            return self.learning_rate * (epoch + 1) / self.warmup_epochs
        if self.schedule in ("cosine", "shifted_cosine"):
            ahead = int(self.schedule == "shifted_cosine")
            span = max(self.epochs - self.warmup_epochs, 1)
            share = (epoch - self.warmup_epochs + ahead) / (span + ahead)
            return self.learning_rate * 0.5 * (1 + math.cos(math.pi * share))
        passed = sum(epoch >= round(share * self.epochs) for share in self.milestones)
        return self.learning_rate * self.decay**passed


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A span of training with one recipe and one trainable set."""

    name: str
    recipe: Recipe
    sampler: str = "instance_balanced"
    trainable: tuple[str, ...] = ("",)  # prefixes of parameter names
    reset: tuple[str, ...] = ()  # modules re-initialised at the start
    evaluating: tuple[str, ...] = ()  # modules that neither use nor move batch statistics
    method: Any = None  # the Method in charge, which is written in terms of this; None: the run's
    rates: tuple[tuple[str, float], ...] = ()  # prefix and factor on the learning rate

    def __post_init__(self) -> None:
        """Let a recipe of the tail alone overrule the sampler.

        Raises UsageError for a sampler of pairs, whose halves are drawn by different laws, and for
        one whose epochs have another length.
        """
        if self.recipe.tail_only:
            if self.sampler.endswith("_pairs") or self.sampler == "class_aware":
                raise UsageError(
                    f"stage {self.name} draws by {self.sampler}, as many images as its law asks, "
                    "which tail_only would change; choose another method, or leave tail_only out."
                )
            object.__setattr__(self, "sampler", "tail")

    @property
    def trains_backbone(self) -> bool:
        """Return whether any backbone parameter moves in this stage."""
        return any("backbone.".startswith(p) or p.startswith("backbone") for p in self.trainable)
