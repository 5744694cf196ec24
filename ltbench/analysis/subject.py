"""What analyses look at: a finished run, its networks, and samples of its images."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ltbench.api.method import Step
from ltbench.data.batch import seed_of
from ltbench.errors import LtbenchError

AnalysisRow = dict[str, str | int | float | None]
CHUNK = 500  # images of one forward pass


@dataclass(frozen=True)
class Sample:
    """Images [N, c, h, w] of one view, normalised, and their labels [N]; N images of C classes."""

    view: str  # train: training images as the test set's are made; test
    images: Tensor
    labels: Tensor
    classes: int

    @property
    def counts(self) -> Tensor:
        """Return the images of each class, [C]."""
        return self.labels.bincount(minlength=self.classes)

    def of(self, chosen: Sequence[int]) -> "Sample":
        """Return the images of some classes; raises LtbenchError for a class without any."""
        counts = self.counts.tolist()
        for label in chosen:
            if not counts[label]:
                raise LtbenchError(
                    f"class {label} has no {self.view} images here; choose other classes or views."
                )
        member = torch.isin(self.labels, torch.tensor(chosen, device=self.labels.device))
        return Sample(self.view, self.images[member], self.labels[member], self.classes)

    def equal(self, per_class: int, seed: int) -> "Sample":
        """Return at most `per_class` images of each class, drawn by a seed of their own."""
        draw = torch.Generator().manual_seed(seed_of(seed, "subset", self.view))
        order = torch.randperm(len(self.labels), generator=draw).to(self.labels.device)
        rank = F.one_hot(self.labels[order], self.classes).cumsum(0)
        first = rank.gather(1, self.labels[order].unsqueeze(1)).squeeze(1) <= per_class
        kept = order[first].sort().values
        return Sample(self.view, self.images[kept], self.labels[kept], self.classes)

    def chunks(self, size: int = CHUNK) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield images and labels, `size` at a time."""
        for start in range(0, len(self.labels), size):
            part = slice(start, start + size)
            yield self.images[part], self.labels[part]


@dataclass(frozen=True)
class FinishedRun:
    """A finished run: how its network predicts, and what its classes are."""

    name: str
    seed: int
    class_counts: tuple[int, ...]  # training images
    shots: tuple[str, ...]  # the shot group of each class
    epochs: tuple[int, ...]  # whose weights are kept, the last one always
    predict: Callable[[nn.Module, Tensor], Tensor]  # images to the logits [B, C] of inference
    network: Callable[[int], nn.Module]  # an epoch, 0 before the first, to the one that predicts
    adjust: Callable[[Tensor], Tensor] = lambda logits: logits  # of the whole test set
    steps: Callable[[int], Iterator[Step]] | None = None  # of an epoch, as training would take them
    # a method, and whether on the tail alone, to the run that differs from this in nothing else
    beside: Callable[[str, bool], "FinishedRun"] | None = None
    weights_sha256: str = ""
    tail_only: bool = False  # whether it trained on the tail alone

    @property
    def classes(self) -> int:
        """Return C."""
        return len(self.class_counts)

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Return the parts that rows are of: every class of up to ten, shot groups of more."""
        if self.classes <= 10:
            return {str(label): (label,) for label in range(self.classes)}
        found = {shot: self.members(shot) for shot in dict.fromkeys(self.shots)}
        return {shot: members for shot, members in found.items() if members}

    def members(self, shot: str) -> tuple[int, ...]:
        """Return the classes of a shot group."""
        return tuple(label for label, own in enumerate(self.shots) if own == shot)


@dataclass(frozen=True)
class RunImages:
    """The images of a run: training images as the test set's are made, and the test set."""

    train: Sample
    test: Sample
    held_out: Sample | None = None  # training images kept apart
    unknown: Mapping[str, Callable[[], Sample]] = field(default_factory=dict)  # of other classes

    def views(self, names: str) -> list[Sample]:
        """Return the views of `train`, `test` or `both`."""
        return [sample for sample in (self.train, self.test) if names in ("both", sample.view)]


@dataclass(frozen=True)
class AnalysisPart:
    """A piece of an analysis that is computed whole: its name, its epoch, its cost."""

    name: str
    epoch: int
    images: float  # that pass forward once, or cost as much time


class Analysis(Protocol):
    """An analysis with its settings: a frozen dataclass in a module of its own.

    It may say what determines its rows otherwise than is usual: `mode`, `loss`, and by
    `others(run)` the runs by role that it sees beside its own; by `skips(run)` why it leaves one
    out. See `ltbench.analysis.perform`.
    """

    def parts(self, run: FinishedRun, data: RunImages) -> list[AnalysisPart]:
        """Return its pieces, in order; those done before are not computed again."""
        ...

    def analyse(
        self, run: FinishedRun, network: nn.Module, data: RunImages, part: AnalysisPart
    ) -> list[AnalysisRow]:
        """Return the rows of one piece; `network` is the one that predicts at the piece's epoch."""
        ...


@torch.no_grad()
def outputs(run: FinishedRun, network: nn.Module, sample: Sample) -> Tensor:
    """Return the logits [N, C] of inference over a sample, in float32."""
    return torch.cat([run.predict(network, images).float() for images, _ in sample.chunks()])


def class_losses(run: FinishedRun, network: nn.Module, sample: Sample) -> Tensor:
    """Return the mean cross-entropy of each class of a sample, [C] in float64; NaN for no images.

    L_c = 1 / |S_c| sum_{x in S_c} -log p(c | x), of the logits of inference.
    """
    logits = outputs(run, network, sample).double()
    each = F.cross_entropy(logits, sample.labels, reduction="none")
    total = torch.zeros(sample.classes, dtype=torch.float64, device=each.device)
    return total.index_add_(0, sample.labels, each) / sample.counts


def class_rows(run: FinishedRun, values: Tensor, **fixed: Any) -> list[AnalysisRow]:
    """Return a row a class with its training images, its shot group and its value of [C]."""
    return [
        {**fixed, "class": label, "training_images": run.class_counts[label],
         "shots": run.shots[label], "value": value}
        for label, value in enumerate(values.tolist()) if not isnan(value)
    ]  # fmt: skip


def check_finite(network: nn.Module, name: str) -> None:
    """Raise LtbenchError for a network whose weights are no numbers, naming the first such one."""
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise LtbenchError(
                f"the weights of {name} are no numbers ({key}); the training diverged: "
                "train it again at a smaller learning rate, or look at an earlier epoch."
            )


def images_hash(sample: Sample) -> str:
    """Return 16 digits of the SHA-256 of a sample's images and labels."""
    found = hashlib.sha256(sample.images.cpu().numpy().data)
    found.update(sample.labels.cpu().numpy().data)
    return found.hexdigest()[:16]
