"""Groups of classes by the epoch at which their features were best, kept for parts that need them.

Parts of a composition that derive from `Grouped` share one bank and one partition: the first of
them keeps both in its state, the others read. Everything is seen on training images only.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Literal

import torch
from torch import Tensor, nn

from ltbench.api.compose import name_of
from ltbench.api.method import Method
from ltbench.api.task import Clock, Task
from ltbench.blocks.feature_quality import Form, Quality, encoder_of, feature_quality, resized_crops
from ltbench.blocks.partition import Affinity, affinities, by_size, canonical, normalised_cut
from ltbench.data.batch import Batch
from ltbench.errors import LtbenchError, UsageError

Data = Callable[[], Iterable[Batch]]
"""Gives the clean training images in order, in batches."""

CHUNK = 256  # images a forward pass of the quality


@dataclass
class Grouped(Method):
    """A method with groups of classes; where several meet, the first is their keeper.

    After every epoch each class keeps the encoder whose feature quality was best for it so far, as
    a reference to that epoch's snapshot. From the share `start` of the epochs on, in steps of the
    share `interval` until the share `freeze`, the classes are partitioned anew by the similarity of
    their encoders. While fewer than `groups` snapshots differ, the groups are of equal width in
    log n_c.
    """

    groups: int = 4
    start: float = 0.05  # epoch 10 of 200
    interval: float = 0.05  # 10 epochs of 200
    freeze: float = 0.8  # epoch 160 of 200, the first drop of the learning rate
    affinity: Affinity = "centred"  # of encoders, without their mean; raw: with it
    quality: Form = "plain"  # as Eq. 17-19 are written; normalised features peak while collapsed
    quality_beta: float = 0.5
    quality_view: Literal["crop", "clean"] = "crop"  # a contrastive view's box, fresh every epoch
    quality_images: int = 16  # per class at most, always the same ones

    keeper: "Grouped" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.keeper = self
        if self.groups < 1 or self.quality_images < 2:
            raise ValueError("groups are at least 1, quality_images at least 2")
        if not 0 <= self.start <= self.freeze <= 1 or not 0 < self.interval <= 1:
            raise ValueError(
                "start <= freeze and interval are shares of the epochs, interval not 0"
            )

    def on_compose(self, parts: tuple[Method, ...]) -> None:
        """Find the keeper; raises TypeError for parts that want different groups."""
        self.keeper = next(part for part in parts if isinstance(part, Grouped))
        for f in fields(Grouped):
            mine, kept = getattr(self, f.name, None), getattr(self.keeper, f.name, None)
            if f.init and mine != kept:
                names = name_of(self.keeper), name_of(self)
                raise TypeError(
                    f"{names[0]} and {names[1]} share their groups but have {f.name}={kept!r} and "
                    f"{f.name}={mine!r}; give both the same"
                )

    def setup(self, task: Task) -> None:
        """Begin with an empty bank; raises UsageError for more groups than classes."""
        super().setup(task)
        if self.groups > task.num_classes:
            raise UsageError(
                f"{name_of(self)}(groups={self.groups}) on {task.num_classes} classes; "
                "give at most as many groups as classes."
            )
        self.state = {}
        if self.keeper is self:
            self.state = _first_state(task, self.groups)

    @property
    def class_groups(self) -> Tensor | None:
        """Return the group of each class, [C], or None before there are groups."""
        groups: Tensor | None = self.keeper.state.get("groups")
        return groups

    @property
    def group_images(self) -> Tensor:
        """Return the training images of each group, [G]."""
        groups = self.class_groups
        assert groups is not None
        zeros = torch.zeros_like(self.task.class_counts[: self.groups])
        return zeros.index_add(0, groups, self.task.class_counts)

    def anchor(self, group: int) -> Tensor:
        """Return the mean of the kept encoders over a group's classes, flat [P]; of the keeper."""
        bank = self.state["bank"]
        slots, classes = bank["slots"][self.state["groups"] == group].unique(return_counts=True)
        shares = (classes / classes.sum()).tolist()
        parts = zip(slots.tolist(), shares, strict=True)
        first, *others = (bank["snapshots"][str(slot)] * share for slot, share in parts)
        mean: Tensor = sum(others, start=first)
        return mean

    def after_epoch(self, network: nn.Module, data: Data, clock: Clock) -> None:
        """Update the bank, and the groups where it is time; the keeper's duty alone."""
        if self.keeper is not self or "bank" not in self.state:
            return
        finished, first = clock.epoch + 1, max(1, math.ceil(self.start * clock.epochs))
        if finished >= self.freeze * clock.epochs and "groups" in self.state:
            del self.state["bank"]  # nothing will ask for it again
            return
        self._remember(network, self._quality(network, data, clock))
        every = max(1, round(self.interval * clock.epochs))
        if finished >= first and (finished - first) % every == 0:
            self._regroup()

    def curves(self) -> dict[str, float]:
        """Return quality, distinct snapshots, and the groups: sizes, how, how often changed."""
        if self.keeper is not self:
            return {}
        logged: dict[str, float] = dict(self.state["logged"]) if "bank" in self.state else {}
        groups = self.class_groups
        if groups is not None:
            sizes = groups.bincount(minlength=self.groups).tolist()
            logged |= {f"group{number}_classes": size for number, size in enumerate(sizes)}
            logged |= {name: int(self.state[name]) for name in ("grouping", "by_similarity")}
        return logged

    def _quality(self, network: nn.Module, data: Data, clock: Clock) -> Quality:
        """Return the feature quality of the network's encoder, [C]."""
        crops, parts = clock.generator("quality"), []
        with torch.no_grad():
            for images, targets in self._chosen(data):
                crop = self.quality_view == "crop"
                outputs = network(resized_crops(images, crops) if crop else images)
                if "features" not in outputs:
                    raise LtbenchError(f"{name_of(self)} needs a network that gives features.")
                parts.append((outputs["features"], targets))
        features, targets = (torch.cat(part) for part in zip(*parts, strict=True))
        classes, beta, form = self.task.num_classes, self.quality_beta, self.quality
        return feature_quality(features, targets, classes, beta=beta, form=form)

    def _chosen(self, data: Data) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and targets: of each class every so-manieth, `quality_images` at most."""
        stride = (self.task.class_counts - 1).clamp_min(0) // self.quality_images + 1  # [C]
        seen, waiting = torch.zeros_like(stride), []
        for batch in data():
            member = nn.functional.one_hot(batch.targets, len(stride))
            rank = (member.cumsum(0) - 1 + seen).gather(1, batch.targets.unsqueeze(1)).squeeze(1)
            seen = seen + member.sum(0)
            chosen = rank % stride[batch.targets] == 0
            waiting.append((batch.images[chosen], batch.targets[chosen]))
            if sum(len(targets) for _, targets in waiting) >= CHUNK:
                yield tuple(torch.cat(part) for part in zip(*waiting, strict=True))  # type: ignore[misc]
                waiting = []
        if waiting:
            yield tuple(torch.cat(part) for part in zip(*waiting, strict=True))  # type: ignore[misc]

    def _remember(self, network: nn.Module, now: Quality) -> None:
        """Let every class whose quality rose refer to this epoch's encoder."""
        bank = self.state["bank"]
        snapshot, snapshots = encoder_of(network), bank["snapshots"]
        new = str(int(bank["epochs"]))
        same = next((key for key, old in snapshots.items() if torch.equal(old, snapshot)), new)
        better = (now.quality > bank["quality"]) | (bank["slots"] < 0)
        if not now.quality.isfinite()[self.task.class_counts > 0].all():
            raise LtbenchError(f"{name_of(self)}: the feature quality is not finite.")
        quality = torch.where(better, now.quality, bank["quality"])
        slots = bank["slots"].masked_fill(better, int(same))
        referred = set(map(str, slots.tolist()))
        kept = {key: old for key, old in {**snapshots, same: snapshot}.items() if key in referred}
        epochs = bank["epochs"] + 1
        self.state["bank"] = dict(quality=quality, slots=slots, snapshots=kept, epochs=epochs)
        self.state["logged"] = self._summary(now, len(kept))

    def _summary(self, now: Quality, snapshots: int) -> dict[str, float]:
        means = {"quality": now.quality.nanmean().item(), "snapshots": float(snapshots)}
        means["quality_distance"] = now.distance.nanmean().item()
        means["quality_variance"] = now.variance.nanmean().item()
        for name, member in self.task.shots.items():
            if member.any():
                means[f"quality_{name}"] = now.quality[member].nanmean().item()
        return means

    def _regroup(self) -> None:
        """Partition the classes, by similarity where the bank tells them apart."""
        bank, counts = self.state["bank"], self.task.class_counts
        keys = sorted(bank["snapshots"], key=int)
        slots = torch.searchsorted(
            torch.tensor(list(map(int, keys)), device=counts.device), bank["slots"]
        )
        vectors = [bank["snapshots"][key] for key in keys]
        labels = None
        if len(keys) >= self.groups:
            labels = normalised_cut(affinities(vectors, slots, self.affinity), slots, self.groups)
        similar = labels is not None
        labels = canonical(by_size(counts, self.groups) if labels is None else labels, counts)
        changed = self.class_groups is None or not torch.equal(labels, self.class_groups)
        self.state["groups"] = labels
        self.state["by_similarity"] = torch.tensor(int(similar))
        self.state["grouping"] = self.state["grouping"] + int(changed)
        self.state["regrouped"] = self.state["regrouped"] + 1


def _first_state(task: Task, groups: int) -> dict[str, object]:
    counts = task.class_counts
    zero = torch.zeros((), dtype=torch.int64)
    state: dict[str, object] = dict(grouping=zero, regrouped=zero.clone())
    if groups == 1:  # nothing to partition, and no reason to wait
        return state | dict(groups=torch.zeros_like(counts), by_similarity=zero.clone())
    quality = torch.full((task.num_classes,), -math.inf, dtype=torch.float64, device=counts.device)
    slots = torch.full_like(counts, -1)
    bank = dict(quality=quality, slots=slots, snapshots={}, epochs=zero.clone())
    return state | dict(bank=bank, logged={})
