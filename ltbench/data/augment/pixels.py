"""Pixel operations on batches of images, each image with its own amount, equal to Pillow's.

Images are uint8 [n, C, H, W] with C = 1 or 3 and amounts float64 [n], on the images' device; an
operation returns new images and leaves its argument alone. Every operation gives the bytes that
torchvision's functional of the same name gives on a Pillow image. Sources: Pillow's `ImageEnhance`
and `ImageOps`, and `Blend.c`, `Convert.c`, `Filter.c` of its C library. Every rounding is spelled
out (no fused or reciprocal arithmetic), so that a view is the same on every device.

`apply_steps` gives each image its own chain of operations without a loop over images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

# A CPU wants the float32 copies of a chunk in its cache, and no fresh pages for them; a GPU wants
# few and large kernels. The result does not depend on them.
CPU_CHUNK_BYTES = 384 << 10
GPU_CHUNK_BYTES = 64 << 20

Operation = Callable[[Tensor, Tensor], Tensor]
"""Images [n, C, H, H] and their amounts [n] to changed images."""

Degenerate = Callable[[Tensor], Tensor | float]
"""Whole numbers in float32 [n, C, H, W] to what they are blended with."""


@dataclass(frozen=True)
class Draws:
    """What was drawn for N images: each field is a tensor on the CPU with first dimension N."""

    def rows(self, rows: slice) -> Self:
        """Return the draws of some of the images."""
        return replace(self, **{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True)
class Steps(Draws):
    """A chain of S operations for each image.

    `operation` int64 [N, S] counts in a list of operations, -1 is none; `amount` float64 [N, S].
    """

    operation: Tensor
    amount: Tensor


def chunk_size(images: Tensor) -> int:
    """Return how many images to work on at once."""
    limit = CPU_CHUNK_BYTES if images.device.type == "cpu" else GPU_CHUNK_BYTES
    return max(1, limit // max(1, images[:1].numel()))


def apply_steps(images: Tensor, steps: Steps, operations: Sequence[Operation]) -> Tensor:
    """Return the images after their chains, worked step by step and operation by operation."""
    images = images.clone()
    size = chunk_size(images)
    for choice, amount in zip(steps.operation.unbind(1), steps.amount.unbind(1), strict=True):
        for number, operation in enumerate(operations):
            every = (choice == number).nonzero().squeeze(1)
            for chosen in torch.split(every, size) if len(every) else ():
                rows = chosen.to(images.device)
                amounts = amount[chosen].to(images.device)
                images[rows] = operation(images.index_select(0, rows), amounts)
    return images


def per_image(values: Tensor) -> Tensor:
    """Return [n] values as [n, 1, 1, 1]."""
    return values[:, None, None, None]


def luma(images: Tensor) -> Tensor:
    """Return the grey level of every pixel as whole numbers in float32, [n, 1, H, W]."""
    if images.shape[1] == 1:
        return images.float()
    red, green, blue = images.float().unbind(1)
    # 16-bit weights and the rounding term stay below 2^24, so float32 holds every sum exactly.
    weighted = (red * 19595).add_(green * 38470).add_(blue * 7471).add_(32768)
    return weighted.mul_(2.0**-16).floor_().unsqueeze(1)


def blend(degenerate: Tensor | float, values: Tensor, factors: Tensor) -> Tensor:
    """Put degenerate + factor * (values - degenerate), clipped and truncated, into the values.

    All are whole numbers in float32. Product and sum are rounded one after the other as in
    `Blend.c`; a fused multiply-add would differ.
    """
    values.sub_(degenerate).mul_(per_image(factors.float())).add_(degenerate)
    return values.clamp_(0, 255).floor_()


def black(_: Tensor) -> float:
    """Return what brightness blends with."""
    return 0.0


def mean_grey(values: Tensor) -> Tensor:
    """Return what contrast blends with: each image's mean grey level, rounded, [n, 1, 1, 1]."""
    grey = luma(values)
    count = grey[0].numel()
    total = grey.sum((1, 2, 3), dtype=torch.float64).long()
    return per_image(((2 * total + count) // (2 * count)).float())


def brightness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with black."""
    return _blended(black, images, factors)


def contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the image's mean grey level, rounded."""
    return _blended(mean_grey, images, factors)


def saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the grey image; a single channel stays as it is."""
    return images if images.shape[1] == 1 else _blended(luma, images, factors)


def _blended(degenerate: Degenerate, images: Tensor, factors: Tensor) -> Tensor:
    values = images.float()
    return _bytes(blend(degenerate(values), values, factors))


def apply_blends(images: Tensor, steps: Steps, degenerates: Sequence[Degenerate]) -> Tensor:
    """Return RGB images after their chains of blends, converted once for a chain.

    The bytes are those of `apply_steps` with the operations of the same degenerate images.
    """
    made = torch.empty_like(images)
    chains, chain_of = torch.unique(steps.operation, dim=0, return_inverse=True)
    for number, chain in enumerate(chains.tolist()):
        every = (chain_of == number).nonzero().squeeze(1)
        for chosen in torch.split(every, chunk_size(images)):
            rows, amounts = chosen.to(images.device), steps.amount[chosen].to(images.device)
            values = images.index_select(0, rows).float()
            for operation, amount in zip(chain, amounts.unbind(1), strict=True):
                blend(degenerates[operation](values), values, amount)
            made[rows] = _bytes(values)
    return made


def grayscale(images: Tensor, _: Tensor) -> Tensor:
    """Replace every channel by the grey level."""
    if images.shape[1] == 1:
        return images
    return _bytes(luma(images)).expand_as(images)


def invert(images: Tensor, _: Tensor) -> Tensor:
    """Return 255 minus every value."""
    return images.bitwise_not()


def posterize(images: Tensor, bits: Tensor) -> Tensor:
    """Keep the highest bits of every value."""
    mask = (255 << (8 - bits.long())) & 255
    return images & per_image(mask.to(torch.uint8))


def solarize(images: Tensor, thresholds: Tensor) -> Tensor:
    """Invert the values at or above the threshold."""
    return torch.where(images < per_image(thresholds), images, images.bitwise_not())


def autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Stretch every channel to 0..255, in float64 as Pillow's Python does; a flat one stays."""
    low = images.amin((2, 3), keepdim=True).double()
    high = images.amax((2, 3), keepdim=True).double()
    # `255.0 / tensor` multiplies by the reciprocal, which is one unit in the last place off.
    scale = torch.full_like(low, 255.0) / (high - low).clamp_(min=1)
    stretched = images.double().mul_(scale).sub_(low * scale).clamp_(0, 255)
    return torch.where(high > low, _bytes(stretched), images)


def equalize(images: Tensor, _: Tensor) -> Tensor:
    """Equalise every channel's histogram; a channel too flat for that stays as it is."""
    values = images.flatten(2).long()
    histogram = torch.zeros(*values.shape[:2], 256, dtype=torch.int32, device=images.device)
    one = torch.ones((), dtype=torch.int32, device=images.device)
    histogram.scatter_add_(2, values, one.expand_as(values))  # whole numbers: order cannot matter
    brightest = histogram.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - brightest) // 255
    below = histogram.cumsum(2, dtype=torch.int32).sub_(histogram)
    table = below.add_(step // 2).floor_divide_(step.clamp(min=1)).clamp_(max=255)
    equalized = table.to(torch.uint8).gather(2, values).view_as(images)
    return torch.where((step > 0).unsqueeze(3), equalized, images)


def hue(images: Tensor, shifts: Tensor) -> Tensor:
    """Turn the hue by a share of the circle (-0.5 to 0.5), through Pillow's 8-bit HSV."""
    if images.shape[1] == 1:
        return images
    hues, saturations, values = _to_hsv(images)
    levels = (shifts * 255).long().to(torch.uint8)  # towards zero; bytes wrap round the circle
    return _to_rgb(hues + levels[:, None, None], saturations, values)


def _bytes(values: Tensor) -> Tensor:
    """Truncate values from 0 to 255; the way through int16 is three times as fast on a CPU."""
    return values.short().to(torch.uint8)


def _divide(values: Tensor, divisor: int) -> Tensor:
    """Divide in place, correctly rounded: a Python number would become a reciprocal on a GPU."""
    return values.div_(torch.full((), divisor, dtype=values.dtype, device=values.device))


def _to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue (uint8), saturation and value (whole numbers in float32), each [n, H, W]."""
    red, green, blue = images.float().unbind(1)
    maximum = torch.maximum(torch.maximum(red, green), blue)
    chroma = maximum - torch.minimum(torch.minimum(red, green), blue)
    below = [maximum - channel for channel in (red, green, blue)]
    # The quotients are float32 and their sums double precision, as in `Convert.c`.
    span = chroma.clamp(min=1)
    to_red, to_green, to_blue = ((distance / span).double() for distance in below)
    # Products with 0 and 1 choose the sector; `torch.where` is ten times slower on a CPU.
    not_red, not_green = (distance.clamp_(max=1) for distance in below[:2])
    is_blue = not_red * not_green
    is_green = not_red - is_blue
    angle = (to_blue - to_green).mul_(1 - not_red)
    angle += (to_red - to_blue).add_(2).mul_(is_green)
    angle += (to_green - to_red).add_(4).mul_(is_blue)
    turns = _divide(angle.float().double(), 6).add_(1).frac_().float()
    saturations = (chroma / maximum.clamp(min=1)).mul_(255).floor_()
    return _bytes(turns.mul_(255)), saturations, maximum


def _to_rgb(hues: Tensor, saturations: Tensor, values: Tensor) -> Tensor:
    """Return uint8 [n, 3, H, W]; inverse of `_to_hsv` up to Pillow's rounding.

    A channel loses the share s/255 * k/255 of the value, with k a trapezoid of the hue. The
    product stays below 2^24 and no quotient by 255^2 is half-way between whole numbers, so the
    correctly rounded float32 division gives the byte that Pillow's mixed precision gives.
    """
    sixths = hues.float() * 6
    colour = saturations * values
    channels = []
    for centre in (0, 2 * 255, 4 * 255):
        distance = (sixths - centre).abs_()
        distance = torch.minimum(distance, 6 * 255 - distance)
        loss = distance.sub_(255).clamp_(0, 255).mul_(colour)
        channels.append(_bytes(values - _divide(loss, 255 * 255).round_()))
    return torch.stack(channels, 1)
