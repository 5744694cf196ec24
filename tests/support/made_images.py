"""Made-up image files: folders of classes, and one file of every awkward kind."""

import io

import numpy as np
import yaml
from PIL import Image


def pixels(seed, height=20, width=28, channels=3):
    """Return smooth made-up pixels, which survive JPEG and scaling."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (3, 4, channels), dtype=np.uint8)
    image = Image.fromarray(small if channels == 3 else small[..., 0])
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


def encoded(image, kind="PNG", **options):
    """Return a Pillow image as the bytes of a file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write(path, seed, kind="PNG"):
    """Write a made-up image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(Image.fromarray(pixels(seed)), kind))


def folders(root, counts, first=0):
    """Write so many images of each class into class folders; no two are equal."""
    for label, (name, count) in enumerate(counts.items()):
        for number in range(count):
            write(root / name / f"{number:03d}.png", first + 1000 * label + number)


def describe(path, **fields):
    """Write a description and return its path."""
    path.write_text(yaml.safe_dump({"name": "made", **fields}, allow_unicode=True), "utf-8")
    return path
