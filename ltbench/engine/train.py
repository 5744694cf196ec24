"""One stage's optimiser and one epoch's steps: the inside of the training loop."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ltbench.api.dropout import drops
from ltbench.api.method import Method, Step
from ltbench.api.norm_batch import norm_batches
from ltbench.api.ranks import alone, average_gradients, coupled, ranks
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.task import Clock
from ltbench.data.batch import Batch, seed_of
from ltbench.data.feed import Feed
from ltbench.data.training_images import TrainingImages
from ltbench.engine.isolation import generators_restored, seed_all, seeded
from ltbench.engine.precision import Autocast
from ltbench.errors import LtbenchError
from ltbench.networks.freezing import encoder_norms, frozen_prefixes


@dataclass(frozen=True)
class ProgressEvent:
    """An observer's argument after a step, or after an epoch, with `loss` and `curves` then."""

    epoch: int  # finished, over all stages
    epochs: int
    step: int  # finished, of the current epoch
    steps: int
    seconds: float  # of training and evaluation so far, over all sessions
    images_per_second: float
    waiting: float = 0.0  # share of training in which there were no images to train on
    loss: float | None = None  # mean over the epoch
    headline: float | None = None  # on the test set, where it was evaluated
    curves: dict[str, Any] | None = None  # the epoch's row of the curves


Observer = Callable[[ProgressEvent], None]
"""Hears how a training goes, every step; must be cheap."""


class DivergedError(LtbenchError):
    """The loss stopped being a number; `epoch` and `step` count from one."""

    def __init__(self, epoch: int, step: int) -> None:
        self.epoch, self.step = epoch, step
        super().__init__(
            f"the loss is not finite at epoch {epoch}, step {step}; "
            "try a smaller learning rate or radius."
        )


def optimiser_for(network: nn.Module, stage: Stage) -> torch.optim.Optimizer:
    """Let exactly the stage's parameters train, and return SGD over them."""
    recipe = stage.recipe
    names = [name for name, _ in network.named_parameters()]
    for prefix in stage.trainable:
        if not any(name.startswith(prefix) for name in names):
            raise LtbenchError(
                f"stage {stage.name} trains {prefix!r}, but no parameter's name begins so."
            )
    frozen = frozen_prefixes(network, recipe.frozen_stages)
    groups: dict[float, list[nn.Parameter]] = {}  # by their factor on the learning rate
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith(stage.trainable) and not name.startswith(frozen))
        if parameter.requires_grad:
            factors = [factor for prefix, factor in stage.rates if name.startswith(prefix)]
            own = recipe.backbone_rate if name.startswith("backbone.") else 1.0
            groups.setdefault(own * (factors[0] if factors else 1.0), []).append(parameter)
    return torch.optim.SGD(
        [{"params": members, "factor": factor} for factor, members in groups.items()],
        lr=recipe.learning_rate,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.nesterov,
    )


def set_rates(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Give each group of parameters a learning rate times the group's own factor."""
    for group in optimiser.param_groups:
        group["lr"] = group.get("factor", 1.0) * rate


def put_in_training(network: nn.Module, stage: Stage) -> None:
    """Put a network in training mode, but for what a stage leaves as in evaluation."""
    network.train()
    for name in stage.evaluating:
        network.get_submodule(name).eval()
    if stage.recipe.frozen_norms:
        for norm in encoder_norms(network):
            norm.eval()


def reset(network: nn.Module, stage: Stage, seed: int) -> None:
    """Re-initialise the modules a stage begins with afresh."""
    with seeded(seed, "reset", stage.name):
        for name in stage.reset:
            try:
                module = network.get_submodule(name)
            except AttributeError:
                raise LtbenchError(
                    f"stage {stage.name} resets {name!r}, which the network does not have."
                ) from None
            for part in module.modules():
                renew = getattr(part, "reset_parameters", None)
                if callable(renew):
                    if parametrize.is_parametrized(part):  # renewing would draw into a copy
                        raise LtbenchError(
                            f"stage {stage.name} resets {name!r}, whose weight is parametrised; "
                            "leave that module out of the parametrisation."
                        )
                    renew()


def epoch_batches(feed: Feed, method: Method, stage: Stage, start: Clock) -> Iterator[Batch]:
    """Return the batches of the epoch that `start` begins; the first makes the epoch's views."""
    recipe = stage.recipe
    return feed.epoch(
        method.views, stage.sampler, recipe.batch_size, recipe.drop_last,
        seed_of(start.seed, "epoch", stage.name, start.epoch),
        augment=lambda view, targets: method.augment(view, targets, start),
    )  # fmt: skip


def take(step: Step, optimiser: torch.optim.Optimizer, recipe: Recipe) -> None:
    """Take a step: its gradients, the optimiser's step, and what the method does after it."""
    optimiser.zero_grad()
    backward(step, recipe)
    optimiser.step()
    step.method.after_step(step)


def backward(step: Step, recipe: Recipe) -> None:
    """Fill the gradients of a step, batch statistics taken as the recipe says."""
    with norm_batches(recipe.norm_batch, len(step.batch.targets)):
        if not step.clock.step:
            check_parts(step)
        step.method.backward(step)
    average_gradients(step.network)
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(step.network.parameters(), recipe.clip_norm)


def check_parts(step: Step) -> None:
    """Raise LtbenchError unless parts of a batch give the outputs that the whole gives.

    They do not where the forward pass ties images together, or draws random numbers.
    """
    if ranks() == 1:
        return
    training = [weight for weight in step.network.parameters() if weight.requires_grad]
    for weight in training:  # a method may still take gradients by features within the pass
        weight.requires_grad_(False)
    found = step.forward({})
    with alone():
        expected = step.forward({})
    for weight in training:
        weight.requires_grad_()
    tolerance = 1e-2 if step.autocast is nullcontext else 0.1  # of rounding, the same otherwise
    for name, whole in expected.items():
        if found[name].shape != whole.shape:
            raise coupled(name)
        difference = (found[name].detach() - whole.detach()).double().norm()
        if difference > tolerance * whole.detach().double().norm():
            raise coupled(name)


class Means:
    """Means of named scalars over the steps that log them; sums stay on the device in float64."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor | float] = {}
        self._steps: Counter[str] = Counter()

    def add(self, logged: Mapping[str, Tensor | float]) -> None:
        """Add the scalars of one step."""
        for name, value in logged.items():
            if name in self._sums:
                self._sums[name] = self._sums[name] + value
            elif isinstance(value, Tensor):  # a copy: what was logged may change in place later
                self._sums[name] = value.to(torch.float64, copy=True)
            else:
                self._sums[name] = value
        self._steps.update(logged.keys())

    def read(self) -> dict[str, float]:
        """Return the means by name; waits for the device."""
        return {name: float(total) / self._steps[name] for name, total in self._sums.items()}


@generators_restored()
def train_epoch(
    method: Method,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    *,
    feed: Feed,
    stage: Stage,
    epoch: int,
    autocast: Autocast,
    seed: int,
    after_step: Callable[[int, int, int], None],
) -> tuple[Tensor, dict[str, float]]:
    """Train one zero-based epoch; return its losses [steps], on the CPU, and what steps logged.

    `after_step(steps done, steps in all, images of the step)` is called every step. The global
    generators are seeded for the epoch's views, for every step and for what follows the epoch.
    """
    recipe = stage.recipe
    steps = feed.steps(recipe.batch_size, recipe.drop_last, stage.sampler)
    set_rates(optimiser, recipe.learning_rate_at(epoch))
    start = Clock(stage.name, epoch, recipe.epochs, 0, steps, seed, recipe)
    batches = epoch_batches(feed, method, stage, start)
    losses: list[Tensor] = []
    means = Means()
    put_in_training(network, stage)
    dropping = drops(network)
    seed_all(seed, "views", stage.name, epoch)  # drawn with the first batch
    for number, batch in enumerate(batches):
        seed_all(seed, "step", stage.name, epoch, number)
        clock = replace(start, step=number)
        if recipe.warmup_steps:
            set_rates(optimiser, recipe.learning_rate_at(epoch, epoch * steps + number))
        step = Step(method, network, batch, clock, autocast, dropping=dropping)
        take(step, optimiser, recipe)
        if step.loss is None:
            raise LtbenchError(f"{type(method).__name__}.backward never asked for step.losses.")
        losses.append(step.loss)
        means.add(step.logged)
        after_step(number + 1, steps, len(batch.targets))
    network.eval()  # bookkeeping after the epoch must not move batch statistics
    seed_all(seed, "after_epoch", stage.name, epoch)
    method.after_epoch(
        network, TrainingImages(feed, method.views[0], method.predict, autocast), start
    )
    return torch.stack(losses).cpu(), means.read()  # the only waits for the device
