"""Groups of classes by the epoch at which their features were best, shared by parts that need them.

Parts of a composition that derive from `Grouped` share one partition: the first of them owns it
and the snapshots it is made of, in its state; the others read. Everything is seen on training
images only.
"""

import math
from dataclasses import dataclass, field, fields
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from ltbench.api.compose import name_of
from ltbench.api.method import Method
from ltbench.api.task import Clock, Task
from ltbench.blocks.feature_quality import Form, Quality, encoder_of, feature_quality, resized_crops
from ltbench.blocks.partition import Affinity, affinities, by_size, normalised_cut, renumbered
from ltbench.data.training_images import TrainingImages
from ltbench.errors import LtbenchError, UsageError

Share = Annotated[float, Ge(0), Le(1)]


@dataclass
class Grouped(Method):
    """A method with groups of classes; where several meet, the first is their owner.

    After every epoch each class keeps the encoder whose feature quality was best for it so far, as
    a reference to that epoch's snapshot. From the share `start` of the epochs on, in steps of the
    share `interval` until the share `freeze`, the classes are partitioned anew by the similarity of
    their encoders. While fewer than `groups` snapshots differ, or the cut is degenerate, the groups
    are of equal width in log n_c. A sum over groups is one over means (`group`), each times
    1 / groups so that the learning rate keeps its sense, the literal `sum`, or weighted by the
    groups' shares (`image`).
    """

    groups: Annotated[int, Ge(1)] = 4  # G; ImageNet-LT: 6
    # weight of a group: 1 / G, its share w_g of the images, or 1
    average: Literal["group", "image", "sum"] = "group"
    start: Share = 0.05  # when groups are first made: epoch 10 of 200
    interval: Annotated[float, Gt(0), Le(1)] = 0.05  # between partitions: 10 epochs of 200
    freeze: Share = 0.8  # groups stay from then on: epoch 160 of 200, the first drop of the rate
    affinity: Affinity = "centred"  # of encoders (Eq. 2), without their mean; raw: with it
    # Q of Eq. 17-19: the form that rises as Figure 2 does; plain: as printed
    quality: Form = "release"
    quality_beta: float = 0.5  # weight of the variance in Eq. 19; the release's form has none
    # of the images that Q is of: a contrastive view's box, fresh every epoch
    quality_view: Literal["crop", "clean"] = "crop"
    quality_images: Annotated[int, Ge(2)] = 16  # per class at most, always the same ones

    owner: "Grouped" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.owner = self
        if self.start > self.freeze:
            raise ValueError("start must not lie after freeze")

    def on_compose(self, parts: tuple[Method, ...]) -> None:
        """Find the owner of the groups; raises TypeError for parts that want different groups."""
        self.owner = next(part for part in parts if isinstance(part, Grouped))
        for f in fields(Grouped):
            mine, kept = getattr(self, f.name, None), getattr(self.owner, f.name, None)
            if f.init and mine != kept:
                names = name_of(self.owner), name_of(self)
                raise TypeError(
                    f"{names[0]} and {names[1]} share their groups but have {f.name}={kept!r} and "
                    f"{f.name}={mine!r}; give both the same"
                )

    def setup(self, task: Task) -> None:
        """Begin without snapshots; raises UsageError for more groups than classes."""
        super().setup(task)
        if self.groups > task.num_classes:
            raise UsageError(
                f"{name_of(self)}(groups={self.groups}) on {task.num_classes} classes; "
                "give at most as many groups as classes."
            )
        self.state = {}
        if self.owner is not self:
            return
        zero = torch.zeros((), dtype=torch.int64)
        self.state = {"grouping": zero, "regrouped": zero.clone()}
        if self.groups == 1:  # nothing to partition, and no reason to wait
            whole = torch.zeros_like(task.class_counts)
            self.state |= {"groups": whole, "by_similarity": zero.clone()}
        else:
            self.state |= {"bank": vars(SnapshotBank.empty(task.class_counts)), "logged": {}}

    @property
    def class_groups(self) -> Tensor | None:
        """Return the group of each class, [C], or None before there are groups."""
        groups: Tensor | None = self.owner.state.get("groups")
        return groups

    @property
    def group_images(self) -> Tensor:
        """Return the training images of each group, [G]."""
        groups = self.class_groups
        assert groups is not None
        zeros = torch.zeros_like(self.task.class_counts[: self.groups])
        return zeros.index_add(0, groups, self.task.class_counts)

    def anchor(self, group: int) -> Tensor:
        """Return the mean of the kept encoders over a group's classes, flat [P] (Eq. 3)."""
        state = self.owner.state
        return SnapshotBank(**state["bank"]).prototype(state["groups"] == group)

    def after_epoch(self, network: nn.Module, data: TrainingImages, clock: Clock) -> None:
        """Update the snapshots, and in some epochs the groups; only the owner does anything."""
        if self.owner is not self or "bank" not in self.state:
            return
        finished, first = clock.epoch + 1, max(1, math.ceil(self.start * clock.epochs))
        if finished >= self.freeze * clock.epochs and "groups" in self.state:
            del self.state["bank"]  # nothing will ask for it again
            return
        now = self.measure(network, data, clock)
        if not now.quality.isfinite()[self.task.class_counts > 0].all():
            raise LtbenchError(f"{name_of(self)}: the feature quality is not finite.")
        bank = SnapshotBank(**self.state["bank"]).update(encoder_of(network), now.quality)
        self.state |= {"bank": vars(bank), "logged": self._summary(now, len(bank.encoders))}
        every = max(1, round(self.interval * clock.epochs))
        if finished >= first and (finished - first) % every == 0:
            self.regroup()

    def curves(self) -> dict[str, float]:
        """Return quality, distinct snapshots, and the groups: sizes, how, how often changed."""
        if self.owner is not self:
            return {}
        logged: dict[str, float] = dict(self.state["logged"]) if "bank" in self.state else {}
        groups = self.class_groups
        if groups is not None:
            sizes = groups.bincount(minlength=self.groups).tolist()
            logged |= {f"group{number}_classes": size for number, size in enumerate(sizes)}
            logged |= {name: int(self.state[name]) for name in ("grouping", "by_similarity")}
        return logged

    @torch.no_grad()
    def measure(self, network: nn.Module, data: TrainingImages, clock: Clock) -> Quality:
        """Return the feature quality [C] of the encoder on the chosen training images."""
        crops, features, targets = clock.generator("quality"), [], []
        chosen = spread_out(data.targets, self.task.class_counts, self.quality_images)
        for batch in data():
            own = chosen[batch.indices]
            images = batch.images[own]
            if self.quality_view == "crop":
                images = resized_crops(images, crops)
            outputs = network(images)
            if "features" not in outputs:
                raise LtbenchError(f"{name_of(self)} needs a network that gives features.")
            features.append(outputs["features"])
            targets.append(batch.targets[own])
        return feature_quality(
            torch.cat(features), torch.cat(targets), self.task.num_classes,
            beta=self.quality_beta, form=self.quality,
        )  # fmt: skip

    def regroup(self) -> None:
        """Partition the classes, by similarity where their snapshots tell them apart (Eq. 2)."""
        counts, bank = self.task.class_counts, SnapshotBank(**self.state["bank"])
        labels = bank.partition(self.groups, self.affinity)
        self.state["by_similarity"] = torch.tensor(int(labels is not None))
        labels = renumbered(by_size(counts, self.groups) if labels is None else labels, counts)
        changed = self.class_groups is None or not torch.equal(labels, self.class_groups)
        self.state["groups"] = labels
        self.state["grouping"] = self.state["grouping"] + int(changed)
        self.state["regrouped"] = self.state["regrouped"] + 1

    def _summary(self, now: Quality, snapshots: int) -> dict[str, float]:
        means = {"quality": now.quality.nanmean().item(), "snapshots": float(snapshots)}
        means["quality_distance"] = now.distance.nanmean().item()
        means["quality_variance"] = now.variance.nanmean().item()
        for name, member in self.task.shots.items():
            if member.any():
                means[f"quality_{name}"] = now.quality[member].nanmean().item()
        return means


@dataclass(frozen=True)
class SnapshotBank:
    """Encoders [P] by the epoch they are of, and for each class that of its best quality."""

    quality: Tensor  # [C], float64: the best so far
    snapshot_of_class: Tensor  # [C], int64: an epoch, -1 before the first
    epochs: Tensor  # scalar: how many were seen
    encoders: dict[str, Tensor]  # by epoch, those that a class refers to

    @classmethod
    def empty(cls, class_counts: Tensor) -> "SnapshotBank":
        """Return a bank without encoders for C classes."""
        worst = torch.full_like(class_counts, -math.inf, dtype=torch.float64)
        none = torch.full_like(class_counts, -1)
        return cls(worst, none, torch.zeros((), dtype=torch.int64), {})

    def update(self, encoder: Tensor, quality: Tensor) -> "SnapshotBank":
        """Return the bank in which the classes whose quality [C] rose refer to this encoder.

        An encoder that did not move is stored once, one that no class refers to not at all (Eq. 1).
        """
        known = (key for key, old in self.encoders.items() if torch.equal(old, encoder))
        epoch = next(known, str(int(self.epochs)))
        better = (quality > self.quality) | (self.snapshot_of_class < 0)
        best = torch.where(better, quality, self.quality)
        epochs = self.snapshot_of_class.masked_fill(better, int(epoch))
        referred = set(map(str, epochs.tolist()))
        encoders = {k: old for k, old in {**self.encoders, epoch: encoder}.items() if k in referred}
        return SnapshotBank(best, epochs, self.epochs + 1, encoders)

    def prototype(self, classes: Tensor) -> Tensor:
        """Return the mean [P] of the encoders over classes, a boolean mask [C]."""
        epochs, members = torch.unique(self.snapshot_of_class[classes], return_counts=True)
        shares = (members / members.sum()).tolist()
        parts = zip(epochs.tolist(), shares, strict=True)
        first, *others = (self.encoders[str(epoch)] * share for epoch, share in parts)
        mean: Tensor = sum(others, start=first)
        return mean

    def partition(self, groups: int, affinity: Affinity) -> Tensor | None:
        """Return the group [C] of each class by normalised cuts; None for too few encoders."""
        epochs = sorted(self.encoders, key=int)
        if len(epochs) < groups:
            return None
        numbers = torch.tensor(list(map(int, epochs)), device=self.snapshot_of_class.device)
        snapshots = torch.searchsorted(numbers, self.snapshot_of_class)
        vectors = [self.encoders[epoch] for epoch in epochs]
        return normalised_cut(affinities(vectors, snapshots, affinity), snapshots, groups)


def spread_out(targets: Tensor, class_counts: Tensor, most: int) -> Tensor:
    """Return a mask [N] of at most `most` images of each class, evenly spaced in their order."""
    stride = (class_counts - 1).clamp_min(0) // most + 1  # [C]
    order = targets.argsort(stable=True)
    sizes = targets.bincount(minlength=len(class_counts))
    starts = sizes.cumsum(0) - sizes
    ranks = torch.empty_like(targets)
    ranks[order] = torch.arange(len(targets), device=targets.device) - starts[targets[order]]
    return ranks % stride[targets] == 0
