"""CUDA: Ahn, Ko, Yun, "CUDA: Curriculum of Data Augmentation for Long-Tailed Recognition",
ICLR 2023.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ltbench import Clock, Grading, Method, Task, TrainingImages


@dataclass
class CUDA(Method):
    """Augment an image of class c at level l_c: l_c random operations of 22, each l_c / 30 strong.

    In every epoch each image with probability 1/2, in the first view of any base; Cutout then ends
    that view, of all images. l_c is 0 at first. After an epoch 10 (l + 1) images of class c, drawn
    with replacement, pass through that view at every level l = 0 .. l_c; if at each of them more
    than 0.6 are recognised, l_c rises by one, else it falls by one, within 0 .. 10. Alone it
    trains cross-entropy; behind `+` any base by its own recipe, whose contrasted views stay as they
    are. probability = 0 without Cutout is the base. Curves: mean level of each shot group.
    """

    probability: float = 0.5
    threshold: float = 0.6
    tests: int = 10
    highest: int = 10
    cutout: bool = True

    deviations = (
        "levels first move after the first epoch, not also before it by the untrained network",
        "as the released code computes it; a base's AutoAugment stays and comes before it",
        "images that lose their label when mirrored are never flipped",
    )

    def __post_init__(self) -> None:
        if not (0 <= self.probability <= 1 and 0 <= self.threshold <= 1):
            raise ValueError("probability and threshold lie from 0 to 1")
        if self.tests < 1 or not 0 <= self.highest <= 30:
            raise ValueError("tests is at least 1, highest lies from 0 to 30")

    def setup(self, task: Task) -> None:
        """Begin at level 0, [C]."""
        super().setup(task)
        self.state["levels"] = torch.zeros(task.num_classes, dtype=torch.int64)

    def grading(self, targets: Tensor, clock: Clock) -> Grading:
        """Return the classes' levels where the coin, which is the clock's, says so."""
        coins = torch.rand(len(targets), generator=clock.generator("augmentation"))
        levels = self.levels[targets.cpu()]
        return Grading(levels * (coins < self.probability), self.cutout)

    def after_epoch(self, network: nn.Module, data: TrainingImages, clock: Clock) -> None:
        """Move every class's level; a class is not tried below a level at which it failed."""
        levels, targets, generator = self.levels, data.targets.cpu(), clock.generator("levels")
        counts, images = targets.bincount(minlength=len(levels)), targets.argsort(stable=True)
        passed = torch.ones_like(levels, dtype=torch.bool)
        for level in range(int(levels.max()), -1, -1):
            tries = self.tests * (level + 1)
            classes = (passed & (levels >= level)).nonzero().squeeze(1).repeat_interleave(tries)
            draws = torch.rand(len(classes), generator=generator, dtype=torch.float64)
            places = (counts.cumsum(0) - counts)[classes] + (draws * counts[classes]).long()
            grading = Grading(torch.full_like(classes, level), self.cutout)
            hits = data.recognised(network, images[places], grading, generator)
            failed = classes[~hits].bincount(minlength=len(levels))
            passed &= (tries - failed) / tries > self.threshold
        self.state["levels"] = (levels + torch.where(passed, 1, -1)).clamp(0, self.highest)

    @property
    def levels(self) -> Tensor:
        """Return l_c, int64 [C], on the CPU."""
        levels: Tensor = self.state["levels"]
        return levels.cpu()

    def curves(self) -> dict[str, float]:
        """Return the mean level of each shot group's classes."""
        groups = {name: self.levels[member.cpu()] for name, member in self.task.shots.items()}
        means = {name: own.double().mean() for name, own in groups.items() if len(own)}
        return {f"cuda_level_{name}": float(mean) for name, mean in means.items()}
