"""Composition: `base+modifier+modifier` as one method, by four rules.

1. `penalty`: the sum over the parts; `loss_weight`, `sample_weights`: their product.
2. `on_compose`, `setup`, `build`, `after_step`, `after_epoch`, `curves`, `finalize`,
   `adjust_logits`: every part, in order.
3. `backward`, `mix`, `augment`: the one part that overrides it, else the base's; two are an error.
4. `views`, `stages`, `begin_stage`, `forward`, `losses`, `predict`: the base's; a modifier with one
   is an error.

State that several parts need is in one of them, which `on_compose` makes known to the others.
"""

import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ltbench.api.method import Method, Outputs, Step
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.task import Clock
from ltbench.data.augment.views import View
from ltbench.data.batch import Batch
from ltbench.data.kind import LABELS
from ltbench.data.training_images import TrainingImages
from ltbench.networks import Network

HOOKS = frozenset(
    {"views", *(name for name, hook in vars(Method).items() if callable(hook) and name[0] != "_")}
)
"""Everything that a method may override: its public functions, and `views`."""

ONE_PART = {
    "backward": "gradient rules",
    "mix": "ways of mixing images",
    "augment": "augmentations of the first view",
}
BASE_ONLY = frozenset({"views", "stages", "begin_stage", "forward", "losses", "predict"})
POST_HOC = frozenset({"finalize", "adjust_logits"})
PREPARING = frozenset({"on_compose", "setup"})  # change nothing by themselves


def overrides(part: Method | type[Method]) -> set[str]:
    """Return the names of the hooks by which a method changes training or prediction."""
    cls = part if isinstance(part, type) else type(part)
    own = {hook for hook in HOOKS if getattr(cls, hook) is not getattr(Method, hook)}
    return own - PREPARING


def is_post_hoc(part: Method | type[Method]) -> bool:
    """Return whether a part only acts on a trained network, so a run can be shared without it."""
    return bool(overrides(part)) and overrides(part) <= POST_HOC


def name_of(part: Method) -> str:
    """Return the name of a part: the one it was asked for by, else its file's or its class's."""
    package, _, file = type(part).__module__.rpartition(".")
    unasked = file if package == "ltbench.methods" else type(part).__name__
    return str(getattr(part, "registered_name", unasked))


class Compose(Method):
    """A base method and modifiers, itself a method.

    Raises TypeError, naming both parts, for a composition that breaks a rule.
    """

    def __init__(self, base: Method, *modifiers: Method) -> None:
        self.base, self.modifiers = base, modifiers
        self.parts = (base, *modifiers)
        self.views = base.views  # type: ignore[misc]  # of the base, so per instance here
        self.network_library = next(filter(None, (part.network_library for part in self.parts)), "")  # type: ignore[misc]
        for part in modifiers:
            if not overrides(part):
                raise TypeError(f"{name_of(part)} changes nothing, so it cannot modify anything")
            if clash := sorted(overrides(part) & BASE_ONLY):
                raise TypeError(
                    f"{name_of(part)} cannot modify {name_of(base)}: it brings its own "
                    f"{', '.join(clash)}, which only the first part of a composition may"
                    + self._turned(part)
                )
        if not (taken := set.intersection(*(set(part.kinds) for part in self.parts))):
            kinds = " and ".join(f"{name_of(p)} takes {LABELS[p.kinds[0]]}" for p in self.parts)
            raise TypeError(f"{kinds}, so no data suit both")
        self.kinds = tuple(sorted(taken))  # type: ignore[misc]  # per instance, as the views
        self.rule = self._only("backward")
        self.mixer = self._only("mix")
        self.augmenter = self._only("augment")
        self.on_compose(leaves(self))

    def _turned(self, part: Method) -> str:
        """Return the order to write instead where the base could follow as a modifier."""
        base = self.base
        if not overrides(base) or overrides(base) & BASE_ONLY or "build" in overrides(base):
            return ""
        return f"; write {name_of(part)}+{name_of(base)}"

    def on_compose(self, parts: tuple[Method, ...]) -> None:
        """Tell every part which parts the whole has."""
        for part in self.parts:
            part.on_compose(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Compose) and self.parts == other.parts

    __hash__ = None  # type: ignore[assignment]  # mutable, as every method

    @property
    def state(self) -> dict[str, Any]:
        """Return the states of the parts, by position."""
        return {str(position): part.state for position, part in enumerate(self.parts)}

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        for position, part in enumerate(self.parts):
            part.state = value[str(position)]

    def setup(self, task: Any) -> None:
        """Give every part the task, once even where several compositions share it."""
        self.task = task
        for part in self.parts:
            if getattr(part, "task", None) is not task:
                part.setup(task)

    def build(self, network: Network) -> Network:
        """Let every part build, in order."""
        for part in self.parts:
            network = part.build(network)
        return network

    def stages(self, recipe: Recipe) -> tuple[Stage, ...]:
        """Return the base's stages; modifiers act on those that train the backbone."""
        return tuple(self._stage(stage) for stage in self.base.stages(recipe))

    def begin_stage(self, network: Network, stage: str) -> Network:
        """Return the network that the base begins its stage with."""
        return self.base.begin_stage(network, stage)

    def augment(self, view: View, targets: Tensor, clock: Clock) -> View:
        """Return the view of the one part that augments."""
        return self.augmenter.augment(view, targets, clock)

    def mix(self, batch: Batch, clock: Clock) -> Batch:
        """Return the batch of the one part that mixes."""
        return self.mixer.mix(batch, clock)

    def forward(self, network: nn.Module, batch: Batch, clock: Clock) -> Outputs:
        """Return the base's outputs."""
        return self.base.forward(network, batch, clock)

    def losses(self, outputs: Outputs, batch: Batch, clock: Clock) -> Tensor:
        """Return the base's losses."""
        return self.base.losses(outputs, batch, clock)

    def penalty(self, network: nn.Module, clock: Clock) -> Tensor:
        """Return the sum of the parts' penalties."""
        return torch.stack([part.penalty(network, clock) for part in self.parts]).sum()

    def loss_weight(self, clock: Clock) -> float:
        """Return the product of the parts' weights."""
        return math.prod(part.loss_weight(clock) for part in self.parts)

    def sample_weights(self, batch: Batch, clock: Clock) -> Tensor:
        """Return the product of the parts' weights, [B]."""
        return torch.stack([part.sample_weights(batch, clock) for part in self.parts]).prod(0)

    def backward(self, step: Step) -> None:
        """Follow the one gradient rule, on the composed objective."""
        self.rule.backward(step)

    def after_step(self, step: Step) -> None:
        """Update every part's state."""
        for part in self.parts:
            part.after_step(step)

    def after_epoch(self, network: nn.Module, data: TrainingImages, clock: Clock) -> None:
        """Update every part's state."""
        for part in self.parts:
            part.after_epoch(network, data, clock)

    def curves(self) -> dict[str, float]:
        """Return the scalars of every part."""
        return {name: value for part in self.parts for name, value in part.curves().items()}

    def finalize(self, network: nn.Module) -> None:
        """Let every part finish the network, in order."""
        for part in self.parts:
            part.finalize(network)

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """Return the base's logits."""
        return self.base.predict(network, images)

    def adjust_logits(self, logits: Tensor) -> Tensor:
        """Adjust the logits by every part, in order."""
        for part in self.parts:
            logits = part.adjust_logits(logits)
        return logits

    def _only(self, hook: str) -> Method:
        """Return the part that overrides a hook, the base if none does."""
        own = [p for p in self.parts if any(hook in overrides(leaf) for leaf in leaves(p))]
        if len(own) > 1:
            names = " and ".join(map(name_of, own))
            raise TypeError(f"two {ONE_PART[hook]} in one composition: {names}; keep one")
        return own[0] if own else self.base

    def _stage(self, stage: Stage) -> Stage:
        if not stage.trains_backbone:
            return replace(stage, method=stage.method or self.base)
        if stage.method is None:
            return stage
        return replace(stage, method=Compose(stage.method, *self.modifiers))


def leaves(method: Method) -> tuple[Method, ...]:
    """Return the parts of a method, those of compositions within it too, in order."""
    if isinstance(method, Compose):
        return tuple(leaf for part in method.parts for leaf in leaves(part))
    return (method,)
