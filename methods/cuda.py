"""CUDA: Ahn, Ko, Yun, "CUDA: Curriculum of Data Augmentation for Long-Tailed Recognition",
ICLR 2023.
"""

from dataclasses import dataclass
from functools import cache, partial
from typing import Annotated, NamedTuple

import torch
from annotated_types import Ge, Le
from torch import Generator, Tensor, nn

from ltbench import Augment, Clock, Method, Task, TrainingImages, View
from ltbench.data.augment.autoaugment import rotate, shear_x, shear_y, translate_x, translate_y
from ltbench.data.augment.filters import (
    detail,
    edge_enhance,
    enlarge,
    gaussian_blur,
    sharpness,
    smooth,
    solarize_add,
)
from ltbench.data.augment.pixels import (
    Operation,
    Steps,
    apply_steps,
    autocontrast,
    brightness,
    contrast,
    equalize,
    invert,
    posterize,
    saturation,
    solarize,
)
from ltbench.data.augment.views import random_cutout


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

    probability: Annotated[float, Ge(0), Le(1)] = 0.5  # that an image is augmented
    # of the share recognised, above which a level is passed
    threshold: Annotated[float, Ge(0), Le(1)] = 0.6
    tests: Annotated[int, Ge(1)] = 10  # images tried at level l: this times l + 1
    highest: Annotated[int, Ge(0), Le(30)] = 10  # level
    cutout: bool = True  # whether Cutout ends the view

    deviations = (
        "levels first move after the first epoch, not also before it by the untrained network",
        "as the released code computes it; a base's AutoAugment stays and comes before it",
        "images that lose their label when mirrored are never flipped",
    )

    def setup(self, task: Task) -> None:
        """Begin at level 0, [C]."""
        super().setup(task)
        self.state["levels"] = torch.zeros(task.num_classes, dtype=torch.int64)

    def augment(self, view: View, targets: Tensor, clock: Clock) -> View:
        """Augment each image at its class's level where the coin, which is the clock's, says so."""
        coins = torch.rand(len(targets), generator=clock.generator("augmentation"))
        return self.at(view, self.levels[targets.cpu()] * (coins < self.probability))

    def at(self, view: View, levels: Tensor) -> View:
        """Return the view with operations at the images' levels, [N], before Cutout."""
        own = tuple(part for part in view if part is not random_cutout)
        last = (random_cutout,) if self.cutout or random_cutout in view else ()
        return (*own, Chains(levels), *last)

    def after_epoch(self, network: nn.Module, data: TrainingImages, clock: Clock) -> None:
        """Move every class's level; a class is not tried below a level at which it failed."""
        levels, targets, generator = self.levels, data.targets.cpu(), clock.generator("levels")
        counts, images = targets.bincount(minlength=len(levels)), targets.argsort(stable=True)
        passed = torch.ones_like(levels, dtype=torch.bool)
        for level in range(int(levels.max()), -1, -1):
            tries, failed = self.tests * (level + 1), torch.zeros_like(levels)
            classes = (passed & (levels >= level)).nonzero().squeeze(1).repeat_interleave(tries)
            draws = torch.rand(len(classes), generator=generator, dtype=torch.float64)
            places = (counts.cumsum(0) - counts)[classes] + (draws * counts[classes]).long()

            def raised(view: View, targets: Tensor, level: int = level) -> View:
                return self.at(view, torch.full_like(targets, level))

            for batch in data.views(images[places], generator, raised):
                missed = data.logits(network, batch.images).argmax(1) != batch.targets
                failed += batch.targets[missed].cpu().bincount(minlength=len(levels))
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


@dataclass(frozen=True)
class Chains:
    """The part of a view that takes each image through as many operations as its level says.

    With the ranges of the released code, on Pillow images: nearest neighbour, filled with black. A
    level moves every amount from the lower end of its range to the upper, though some change an
    image most at the lower: colour, contrast, brightness and sharpness begin at a factor of 0.1,
    posterize at one bit, solarize at a threshold of 0.
    """

    levels: Tensor  # [N], int64, 0 to 30

    def __call__(self, images: Tensor, augment: Augment, generator: Generator) -> Tensor:
        """Return the images after chains of operations drawn by the generator."""
        if len(self.levels) != len(images):
            raise ValueError(f"{len(self.levels)} levels for {len(images)} images; give one each.")
        chains = draw_chains(self.levels, images.shape[-1], augment.flip, generator)
        return apply_steps(images, chains, [one.apply for one in OPERATIONS.values()])


HIGHEST = 30  # level: every operation at the upper end of its range
FARTHEST = 100.0  # translation in pixels; on images below 32 x 32 the same share of the side


class Graded(NamedTuple):
    """An operation and the range of its amount."""

    apply: Operation
    lower: float = 0.0
    upper: float = 0.0
    signed: bool = False  # whether the amount is negated in half the cases
    mirrors: bool = False  # whether it takes an image that keeps its label when mirrored


def flip(images: Tensor, _: Tensor) -> Tensor:
    """Turn upside down."""
    return images.flip(2)


def mirror(images: Tensor, _: Tensor) -> Tensor:
    """Swap left and right."""
    return images.flip(3)


OPERATIONS: dict[str, Graded] = {
    "Flip": Graded(flip, mirrors=True),
    "Mirror": Graded(mirror, mirrors=True),
    "EdgeEnhance": Graded(edge_enhance),
    "Detail": Graded(detail),
    "Smooth": Graded(smooth),
    "AutoContrast": Graded(autocontrast),
    "Equalize": Graded(equalize),
    "Invert": Graded(invert),
    "GaussianBlur": Graded(gaussian_blur, 0.0, 2.0),  # standard deviations in pixels
    "ResizeCrop": Graded(enlarge, 1.0, 1.5),
    "Rotate": Graded(partial(rotate, fill=0), 0.0, 30.0, signed=True),  # degrees
    "Posterize": Graded(posterize, 0.0, 4.0),  # bits
    "Solarize": Graded(solarize, 0.0, 256.0),
    "SolarizeAdd": Graded(solarize_add, 0.0, 110.0),
    "Color": Graded(saturation, 0.1, 1.9),
    "Contrast": Graded(contrast, 0.1, 1.9),
    "Brightness": Graded(brightness, 0.1, 1.9),
    "Sharpness": Graded(sharpness, 0.1, 1.9),
    "ShearX": Graded(partial(shear_x, fill=0), 0.0, 0.3, signed=True),
    "ShearY": Graded(partial(shear_y, fill=0), 0.0, 0.3, signed=True),
    "TranslateX": Graded(partial(translate_x, fill=0), 0.0, FARTHEST, signed=True),
    "TranslateY": Graded(partial(translate_y, fill=0), 0.0, FARTHEST, signed=True),
}


def amount(name: str, level: int, side: int) -> float:
    """Return an operation's amount at a level, without its sign, for images `side` wide."""
    _, lower, upper, _, _ = OPERATIONS[name]
    value = level / HIGHEST * (upper - lower) + lower
    match name:
        case "Posterize":
            return float(max(1, int(value)))
        case "TranslateX" | "TranslateY":  # the nearest pixel that is read
            return float(round(value * min(side, 32) / 32))
        case _:
            return value


@cache
def _amounts(side: int) -> Tensor:
    """Return every amount, float64 [levels, operations]."""
    return torch.tensor(
        [[amount(name, level, side) for name in OPERATIONS] for level in range(HIGHEST + 1)],
        dtype=torch.float64,
    )


def draw_chains(levels: Tensor, side: int, mirrors: bool, generator: Generator) -> Steps:
    """Draw as many operations for each image as its level says, with replacement, and signs.

    The result counts in `OPERATIONS`; its fields are [N, highest level], -1 where a chain has
    ended. `mirrors` is whether a mirrored image keeps its label; if not, nothing mirrors. Raises
    ValueError for levels that are no whole numbers from 0 to 30.
    """
    levels = levels.cpu()
    if levels.is_floating_point() or not ((levels >= 0) & (levels <= HIGHEST)).all():
        raise ValueError(f"levels are whole numbers from 0 to {HIGHEST}.")
    every = list(OPERATIONS.values())
    allowed = torch.tensor([n for n, one in enumerate(every) if mirrors or not one.mirrors])
    signed = torch.tensor([one.signed for one in every])
    size = (len(levels), int(levels.max()) if len(levels) else 0)
    operation = allowed[torch.randint(len(allowed), size, generator=generator)]
    negative = torch.randint(2, size, generator=generator).bool() & signed[operation]
    amounts = _amounts(side)[levels[:, None], operation]
    ended = torch.arange(size[1]) >= levels[:, None]
    return Steps(
        operation=operation.masked_fill_(ended, -1),
        amount=torch.where(negative, -amounts, amounts),
    )
