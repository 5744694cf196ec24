"""Images as Pillow has them: what operations on batches are held to, one picture at a time."""

import numpy as np
import torch
from PIL import Image, ImageOps


def to_pillow(image):
    """Return an image [C, H, W] of bytes as a picture."""
    array = image.permute(1, 2, 0).numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)


def from_pillow(picture):
    """Return a picture as bytes [C, H, W]."""
    array = np.array(picture)
    return torch.from_numpy(array[..., None] if array.ndim == 2 else array).permute(2, 0, 1)


def one_by_one(function, images, *columns):
    """Apply a function to every image as a picture, with its own row of the columns."""
    rows = zip(images, *columns, strict=True)
    return torch.stack([from_pillow(function(to_pillow(image), *row)) for image, *row in rows])


def enlarge(picture, factor):
    """Enlarge a square picture and crop its centre to the old size."""
    side = picture.width
    resized = picture.resize([int(side * factor)] * 2, Image.Resampling.LANCZOS)
    first = int(side * factor) // 2 - side // 2
    return resized.crop((first, first, first + side, first + side))


def solarize_add(picture, addition):
    """Add to every pixel, clip, and invert what is then bright."""
    raised = np.clip(np.array(picture).astype(float) + addition, 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(raised), 128)
