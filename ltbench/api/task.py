"""What a method is given: the task, and where training stands."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ltbench.api.recipe import Recipe
from ltbench.data.batch import seed_of
from ltbench.data.info import DatasetInfo
from ltbench.data.kind import Kind
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE, SHOTS, shot_groups
from ltbench.data.readers import Split


@dataclass(frozen=True)
class Task:
    """What a method may know about the training set."""

    class_counts: Tensor  # [C], int64: training images per class, or with each label
    held_out: int = 0  # images per class kept from training for validation; shots count them
    many_above: int = MANY_ABOVE
    few_below: int = FEW_BELOW
    kind: Kind = "single"
    images: int | None = None  # for training; None: the sum of the counts, one label an image
    class_names: tuple[str, ...] = ()  # in words, in order; nothing where there are none here

    @classmethod
    def of(cls, info: DatasetInfo, split: Split, device: torch.device | None = None) -> "Task":
        """Return the task of a data set's training images, on a device."""
        counts, images = torch.tensor(split.class_counts, device=device), len(split.train.labels)
        names = info.class_names or split.class_names
        bounds = info.many_above, info.few_below
        return cls(counts, split.held_out, *bounds, info.kind, images, names)

    @property
    def num_images(self) -> int:
        """Return N, the training images."""
        return int(self.class_counts.sum()) if self.images is None else self.images

    @property
    def num_classes(self) -> int:
        """Return C."""
        return len(self.class_counts)

    @cached_property
    def priors(self) -> Tensor:
        """Return the class shares n_c / sum_j n_j, which add up to 1, [C]."""
        return self.class_counts / self.class_counts.sum()

    @cached_property
    def prevalence(self) -> Tensor:
        """Return the share n_c / N of the images that have label c, [C]: the sigmoid's prior.

        Of one label an image it is `priors`; of several it adds up to the labels an image.
        """
        return self.class_counts / self.num_images

    def effective_weights(self, beta: float) -> Tensor:
        """Return (1 - beta) / (1 - beta^{n_c}), inverse effective numbers, of mean 1, [C].

        Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, Eq. 2.
        """
        weights = (1 - beta) / (1 - beta ** self.class_counts.double())
        return (weights / weights.mean()).float()

    @cached_property
    def shots(self) -> dict[str, Tensor]:
        """Return boolean masks [C] of the many-, medium- and few-shot classes."""
        counts: list[int] = self.class_counts.tolist()
        groups = shot_groups(counts, self.held_out, self.many_above, self.few_below)
        device = self.class_counts.device
        return {
            name: torch.tensor([group == name for group in groups], device=device) for name in SHOTS
        }


@dataclass(frozen=True)
class Clock:
    """Where training stands; epochs and steps count from zero within the stage."""

    stage: str
    epoch: int
    epochs: int
    step: int = 0  # within the epoch
    steps: int = 1  # of one epoch
    seed: int = 0  # of the run
    recipe: Recipe | None = None  # of the stage, as the engine trains it

    @property
    def progress(self) -> float:
        """Return the share of the stage's epochs that are finished, in [0, 1)."""
        return self.epoch / self.epochs

    def generator(self, purpose: str) -> torch.Generator:
        """Return a CPU generator for one purpose at this step: the same clock, the same numbers.

        Randomness inside `losses` drawn from here keeps them a pure function.
        """
        seed = seed_of(self.seed, purpose, self.stage, self.epoch, self.step)
        return torch.Generator().manual_seed(seed)
