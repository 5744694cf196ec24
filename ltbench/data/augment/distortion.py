"""Photometric distortion of images with several labels, as DB's code has it (Wu et al. 2020).

Each acts with probability 1/2, in this order: a shift of all levels, contrast (here or after hue),
saturation and hue in HSV, the channels in another order. Levels are not rounded, and may exceed
255; below 0 they are 0.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from ltbench.data.augment.pixels import Draws, per_image
from ltbench.data.augment.views import Augment, in_chunks

BRIGHTNESS = 32.0  # levels of 255, up or down
FACTORS = (0.5, 1.5)  # of contrast and of saturation
HUE = 18.0  # degrees, either way
PROBABILITY = 0.5


@dataclass(frozen=True)
class Distortions(Draws):
    """Of N images, float32 [N]; the order of channels int64 [N, 3], `first` bool [N].

    What does not act is 0 levels, a factor of 1, 0 degrees, or the order as it is.
    """

    brightness: Tensor
    contrast: Tensor
    first: Tensor  # whether contrast comes before saturation and hue
    saturation: Tensor
    hue: Tensor
    order: Tensor


def draw_distortions(count: int, generator: Generator) -> Distortions:
    """Draw the distortions of images with three channels."""
    acts = torch.rand(5, count, generator=generator) < PROBABILITY
    brightness, contrast, saturation, hue = torch.rand(4, count, generator=generator)
    first = torch.rand(count, generator=generator) < 0.5
    order = torch.rand(count, 3, generator=generator).argsort(1)
    low, high = FACTORS
    return Distortions(
        brightness=acts[0] * BRIGHTNESS * (2 * brightness - 1),
        contrast=torch.where(acts[1], low + (high - low) * contrast, 1.0),
        first=first,
        saturation=torch.where(acts[2], low + (high - low) * saturation, 1.0),
        hue=acts[3] * HUE * (2 * hue - 1),
        order=torch.where(acts[4, :, None], order, torch.arange(3)),
    )


def distort(images: Tensor, draws: Distortions) -> Tensor:
    """Return uint8 images [n, 3, H, W] after their distortions, as float32 levels."""

    def of(values: Tensor) -> Tensor:
        return per_image(values.to(images.device))

    values = (images.float() + of(draws.brightness)).clamp_min_(0)
    values *= of(torch.where(draws.first, draws.contrast, 1.0))
    values = _turned(values, of(draws.saturation)[:, 0], of(draws.hue)[:, 0])
    values *= of(torch.where(draws.first, 1.0, draws.contrast))
    order = draws.order.to(images.device)[:, :, None, None].expand_as(values)
    return values.gather(1, order)


def distortion(images: Tensor, _: Augment, generator: Generator) -> Tensor:
    """Photometric distortion."""
    draws = draw_distortions(len(images), generator)
    return in_chunks(images, lambda part, rows: distort(part, draws.rows(rows)), torch.float32)


def _turned(values: Tensor, saturation: Tensor, hue: Tensor) -> Tensor:
    """Return RGB values [n, 3, H, W] of at least 0 with S times a factor and H plus degrees.

    With V the largest channel, S = (V - min) / V and H in sixths of the circle, channel c is
    V - V S max(0, min(k, 4 - k, 1)), k = n_c + H mod 6, with n = 5, 3, 1 for red, green and blue.
    """
    red, green, blue = values.unbind(1)
    value = values.amax(1)
    chroma = value - values.amin(1)
    span = chroma.clamp_min(1e-6)
    turn = torch.where(
        value == red, (green - blue) / span,
        torch.where(value == green, 2 + (blue - red) / span, 4 + (red - green) / span),
    ) + hue / 60  # fmt: skip
    chroma = chroma * saturation
    channels = []
    for start in (5, 3, 1):
        sector = (start + turn).remainder(6)
        channels.append(value - chroma * torch.minimum(sector, 4 - sector).clamp(0, 1))
    return torch.stack(channels, 1)
