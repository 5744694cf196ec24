"""Filters and enlargement on batches of images, each image with its own amount, equal to Pillow's.

Images and amounts are as in `pixels`; every operation gives the bytes of Pillow's `ImageFilter` or
`Image.resize`. Sources: `Filter.c`, `BoxBlur.c` and `Resample.c` of its C library.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ltbench.data.augment.pixels import blend, per_image, solarize

PASSES = 3  # of the box filter that stands for a Gaussian
_BLUR_BITS = 24  # of the weights in `BoxBlur.c`
_RESIZE_BITS = 22  # and in `Resample.c`
_LOBES = 3  # of the Lanczos kernel


def sharpness(images: Tensor, factors: Tensor) -> Tensor:
    """Blend with the image smoothed by (1 1 1, 1 5 1, 1 1 1) / 13; the border stays as it is."""
    values = images.float()
    inner = values[..., 1:-1, 1:-1]
    rows = values[..., :-2, :] + values[..., 1:-1, :] + values[..., 2:, :]
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    # (2 * sum + 13) / 26 is never closer than 1/26 to a whole number: any rounding gives Pillow's.
    smooth = box.add_(inner, alpha=4).div_(13).add_(0.5).floor_()
    sharpened = images.clone()
    sharpened[..., 1:-1, 1:-1] = blend(smooth, inner, factors)
    return sharpened


def edge_enhance(images: Tensor, _: Tensor) -> Tensor:
    """Weigh each pixel by 10 and its eight neighbours by -1, halved; the border stays."""
    return _weighted(images, ((-1, -1, -1), (-1, 10, -1), (-1, -1, -1)), 2)


def detail(images: Tensor, _: Tensor) -> Tensor:
    """Weigh each pixel by 10 and its four neighbours by -1, over 6; the border stays."""
    return _weighted(images, ((0, -1, 0), (-1, 10, -1), (0, -1, 0)), 6)


def smooth(images: Tensor, _: Tensor) -> Tensor:
    """Weigh each pixel by 5 and its eight neighbours by 1, over 13; the border stays."""
    return sharpness(images, torch.zeros(len(images), device=images.device))


def solarize_add(images: Tensor, additions: Tensor) -> Tensor:
    """Brighten every value, cut to bytes, then invert those at or above 128."""
    raised = (images.double() + per_image(additions)).clamp_(0, 255).to(torch.uint8)
    return solarize(raised, torch.full_like(additions, 128))


def gaussian_blur(images: Tensor, deviations: Tensor) -> Tensor:
    """Blur by three box filters along the rows and three along the columns, each cut to bytes."""
    # Computed on the CPU in `BoxBlur.c`'s float32, whose roundings the weights depend on.
    variance = deviations.cpu().float().square() / PASSES
    length = (12 * variance.double() + 1).sqrt().float()
    whole = ((length - 1) / 2).floor()
    part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance)
    part = part / (6 * (variance - (whole + 1) * (whole + 1)))
    inner = (2.0**_BLUR_BITS / ((whole + part) * 2 + 1)).floor().double()
    outer = ((2**_BLUR_BITS - (2 * whole.double() + 1) * inner) / 2).floor()
    reach = int(whole.max()) + 1
    distance = torch.arange(-reach, reach + 1).abs()
    full = distance <= whole[:, None]
    weights = torch.where(full, inner[:, None], outer[:, None] * (distance == whole[:, None] + 1))
    taps = [per_image(tap) for tap in weights.to(images.device).unbind(1)]
    blurred = images.double()
    for lines in (3, 2):  # along the rows, then along the columns
        for _ in range(PASSES):
            size, margin = blurred.shape[lines], (0, 0, reach, reach)
            padded = F.pad(blurred, margin[::-1] if lines == 3 else margin, mode="replicate")
            total = torch.full_like(blurred, 2.0 ** (_BLUR_BITS - 1))
            for start, tap in enumerate(taps):
                total += padded.narrow(lines, start, size) * tap  # whole numbers below 2^53: exact
            blurred = total.mul_(2.0**-_BLUR_BITS).floor_()
    return blurred.to(torch.uint8)


def enlarge(images: Tensor, factors: Tensor) -> Tensor:
    """Resize to a factor of at least 1 times the side, by Lanczos, and keep the middle."""
    side = images.shape[-1]
    sizes = (side * factors.cpu()).long()
    every, which = torch.unique(sizes, return_inverse=True)
    matrices = torch.stack([_lanczos(side, int(size)) for size in every]).to(images.device)
    columns = matrices[which.to(images.device)].unsqueeze(1)  # [n, 1, side, side]
    rows = columns.mT
    values = _resized(images.double() @ rows)
    return _resized(columns @ values).to(torch.uint8)


def _resized(totals: Tensor) -> Tensor:
    """Return weighted sums of bytes as bytes, in float64; whole numbers below 2^53 are exact."""
    rounded = totals.add_(2.0 ** (_RESIZE_BITS - 1)).mul_(2.0**-_RESIZE_BITS).floor_()
    return rounded.clamp_(0, 255)


def _lanczos(side: int, size: int) -> Tensor:
    """Return the middle `side` of the `size` rows that resize a line, in units of 2^-22.

    Float64 [side, side]. A line of unchanged size is copied.
    """
    scale = side / size
    centre = (torch.arange(size, dtype=torch.float64) + 0.5) * scale
    first = (centre - _LOBES + 0.5).long().clamp(min=0)  # towards zero
    last = (centre + _LOBES + 0.5).long().clamp(max=side)
    pixel = torch.arange(side)
    inside = (pixel >= first[:, None]) & (pixel < last[:, None])
    away = pixel - centre[:, None] + 0.5
    kernel = torch.sinc(away) * torch.sinc(away / _LOBES) * (away.abs() < _LOBES) * inside
    kernel = kernel / kernel.sum(1, keepdim=True) * 2.0**_RESIZE_BITS
    fixed = kernel.sign() * (kernel.abs() + 0.5).floor()
    return fixed.narrow(0, size // 2 - side // 2, side)


def _weighted(images: Tensor, weights: tuple[tuple[int, ...], ...], divisor: int) -> Tensor:
    """Sum each pixel's 3 x 3 neighbours by weights; rounded as `Filter.c` rounds in float32."""
    kernel = torch.tensor(weights, dtype=torch.float32) / torch.tensor(divisor).float()
    values, total = images.float(), torch.full((), 0.5, device=images.device)
    height, width = images.shape[2:]
    for row in (2, 1, 0):
        line = torch.zeros((), device=images.device)
        for column in range(3):
            part = values[..., row : row + height - 2, column : column + width - 2]
            line = line + part * kernel[row, column].item()
        total = total + line
    filtered = images.clone()
    filtered[..., 1:-1, 1:-1] = total.clamp_(0, 255).to(torch.uint8)
    return filtered
