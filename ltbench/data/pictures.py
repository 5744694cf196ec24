"""One image file of any kind to the square of bytes that a network sees."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ltbench.errors import first_line

_TRANSPARENT = {"RGBA", "LA", "PA", "RGBa", "La"}
_DRAFT = 4  # a JPEG is decoded at no less than so many times the side that is wanted


class BadImageError(Exception):
    """Content that is no image, or only a part of one; the message says which."""


def picture(content: bytes, side: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return the content of an image file as uint8 [side, side, channels], upright.

    The largest square in its middle is scaled to the side, by Pillow's antialiased bilinear
    filter. EXIF's orientation is applied, transparent pixels lie on white, 16-bit greys keep
    their upper 8 bits, and of an animation there is the first frame. The kind of file is found by
    its content, never by its name. Raises BadImageError for what does not decode whole.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format == "JPEG":
                image.draft("RGB", (_DRAFT * side, _DRAFT * side))
            return square(ImageOps.exif_transpose(image), side, channels)
    except (BadImageError, MemoryError):
        raise
    except Exception as error:  # damage breaks Pillow's decoders in many ways
        words = damage(error)
        raise BadImageError("no image" if "cannot identify" in words else words) from None


def damage(error: Exception) -> str:
    """Return what Pillow says of content that does not decode, without the buffer's address."""
    return first_line(error).partition("<_io")[0].strip() or type(error).__name__


def square(image: Image.Image, side: int, channels: int) -> npt.NDArray[np.uint8]:
    """Return a Pillow image as uint8 [side, side, channels]; see `picture`."""
    flat = opaque(image)
    mode = "L" if channels == 1 else "RGB"
    flat = flat if flat.mode == mode else flat.convert(mode)
    fitted = ImageOps.fit(flat, (side, side), Image.Resampling.BILINEAR)
    return np.asarray(fitted).reshape(side, side, channels)


def opaque(image: Image.Image) -> Image.Image:
    """Return an image of 8 bits a channel without transparency."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise BadImageError(f"its pixels are 32-bit numbers (mode {image.mode}), not 8 or 16 bits")
    if image.mode in _TRANSPARENT or "transparency" in image.info:
        colours = image.convert("RGBA")
        white = Image.new("RGBA", colours.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, colours).convert("RGB")
    return image
