"""Writing many images into one file, and once more with a shorter side; see `packed`."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from ltbench.data.description import PARTS, Part
from ltbench.data.lists import ListedImage
from ltbench.data.packed import (
    INDEX,
    LISTS,
    MANIFEST,
    SOURCE,
    VERSION,
    Packed,
    digest,
    open_packed,
    shrunk,
    source_of,
)
from ltbench.data.pictures import damage
from ltbench.errors import LtbenchError, UsageError

AT_ONCE = 512  # images that are read and tried at a time
_QUALITY = 95  # of the JPEGs of images that were scaled

Say = Callable[[Part, int, int], None]
"""Hears a part, how many images it has, and how many are done."""

Entry = TypeVar("Entry")

PackedImage = tuple[bytes, int, int, int]
"""Content, width, height and label of an image."""


def list_sha256(entries: Sequence[ListedImage]) -> str:
    """Return the SHA-256 of a list, sorted: of lines `name label`."""
    lines = sorted(f"{entry.name} {entry.label}" for entry in entries)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def decoded(entry: ListedImage) -> PackedImage:
    """Return an image's row, its file decoded to see that it does; raises LtbenchError if not."""
    try:
        content = entry.path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return content, *image.size, int(entry.label)
    except MemoryError:
        raise
    except Exception as error:  # damage breaks Pillow's decoders in many ways
        raise bad_image(entry, error, "unpack it again from its archive") from None


def bad_image(entry: ListedImage, error: Exception, remedy: str) -> LtbenchError:
    """Return the error of an image that does not read."""
    return LtbenchError(f"{entry.path} does not read as an image ({damage(error)}); {remedy}.")


def silent(part: Part, count: int, done: int) -> None:
    """Say nothing."""


def pack(
    parts: dict[Part, list[ListedImage]],
    folder: Path,
    say: Say = silent,
    read: Callable[[ListedImage], PackedImage] = decoded,
) -> bool:
    """Pack the images of every part into a folder, going on where an earlier call stopped.

    What such a call began of other lists is begun anew; a folder that holds the images of these
    lists is left as it is, and the answer is False.
    `read` gives an image's row. Raises LtbenchError for an image that does not read, or a full
    disk, where what was packed stays, and UsageError for a folder of other lists.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {part: list_sha256(entries) for part, entries in parts.items()}
    if (folder / LISTS).exists():
        same = json.loads((folder / LISTS).read_text()) == hashes
        if same and _whole(folder):
            return False
        if not same and (folder / MANIFEST).exists():
            raise UsageError(
                f"{folder} holds images of other lists; delete it, or choose another root."
            )
        for part in () if same else PARTS:  # begun of other lists, and never whole
            for suffix in ("bin", "rows", "npy"):
                (folder / f"{part}.{suffix}").unlink(missing_ok=True)
    (folder / LISTS).write_text(json.dumps(hashes, indent=1) + "\n")
    _pack_parts(parts, folder, say, read)
    return True


def _whole(folder: Path) -> bool:
    """Return whether a folder holds all that its manifest lists, by their sizes."""
    try:
        open_packed(folder, folder.name)
    except LtbenchError:
        return False
    return True


def shrink(folder: Path, named: str, side: int, say: Say = silent) -> None:
    """Pack the images of a folder once more, beside it, with a shorter side of at most `side`.

    Larger ones are scaled by Pillow's antialiased bilinear filter and written as JPEGs of quality
    95; others are copied. Raises LtbenchError where nothing is packed there, and UsageError for a
    copy of other images.
    """
    parts = open_packed(folder, named)
    target, source = shrunk(folder, side), source_of(folder)
    target.mkdir(parents=True, exist_ok=True)
    if (target / SOURCE).exists() and (target / SOURCE).read_text() != source:
        raise UsageError(f"{target} is a copy of other images; delete it.")
    (target / SOURCE).write_text(source)
    (target / LISTS).write_bytes((folder / LISTS).read_bytes())
    rows = {part: [(p, row) for row in range(len(p.index))] for part, p in parts.items()}
    _pack_parts(rows, target, say, partial(_smaller, side=side))


def _smaller(entry: tuple[Packed, int], *, side: int) -> PackedImage:
    packed, row = entry
    content, index = packed.content(row), packed.index[row]
    width, height, label = (int(index[name]) for name in ("width", "height", "label"))
    if min(width, height) <= side:
        return content, width, height, label
    scale = side / min(width, height)
    size = round(width * scale), round(height * scale)
    with Image.open(io.BytesIO(content)) as image:
        smaller = image.convert("RGB").resize(size, Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    smaller.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue(), *size, label


def _pack_parts(
    parts: Mapping[Part, Sequence[Entry]],
    folder: Path,
    say: Say,
    read: Callable[[Entry], PackedImage],
) -> None:
    facts = {}
    for part, entries in parts.items():
        try:
            _pack_part(entries, folder / part, partial(say, part, len(entries)), read)
        except OSError as error:
            raise LtbenchError(
                f"{folder} cannot be written ({error.strerror}); the same command goes on from "
                "there once it can."
            ) from None
        paths = {suffix: folder / f"{part}.{suffix}" for suffix in ("bin", "npy")}
        facts[part] = {
            suffix: {"bytes": path.stat().st_size, "sha256": digest(path)}
            for suffix, path in paths.items()
        } | {"images": len(entries)}
    content = json.dumps({"version": VERSION, "parts": facts}, indent=1)
    temporary = folder / f"{MANIFEST}.tmp"
    temporary.write_text(content + "\n")
    temporary.replace(folder / MANIFEST)


def _pack_part(
    entries: Sequence[Entry],
    stem: Path,
    say: Callable[[int], None],
    read: Callable[[Entry], PackedImage],
) -> None:
    """Write `stem.bin` and `stem.npy`; `stem.rows` is the index of what is whole so far."""
    rows, images = stem.with_suffix(".rows"), stem.with_suffix(".bin")
    if stem.with_suffix(".npy").exists():
        return say(len(entries))
    done = rows.stat().st_size // INDEX.itemsize if rows.exists() else 0
    index = np.fromfile(rows, INDEX, done) if done else np.empty(0, INDEX)
    whole = int(index[-1]["offset"] + index[-1]["length"]) if done else 0
    if (images.stat().st_size if images.exists() else 0) < whole:
        done, whole, index = 0, 0, index[:0]
    with open(images, "ab") as pixels, open(rows, "ab") as table:
        pixels.truncate(whole)
        table.truncate(done * INDEX.itemsize)
        for first in range(done, len(entries), AT_ONCE):
            for content, width, height, label in _rows(entries[first : first + AT_ONCE], read):
                pixels.write(content)
                row = np.array([(whole, len(content), width, height, label)], INDEX)
                table.write(row.tobytes())
                whole += len(content)
            pixels.flush()  # before the rows that tell of it
            table.flush()
            say(min(first + AT_ONCE, len(entries)))
    with open(stem.with_suffix(".tmp"), "wb") as file:
        np.save(file, np.fromfile(rows, INDEX))
    stem.with_suffix(".tmp").replace(stem.with_suffix(".npy"))
    rows.unlink()
    return None


def _rows(entries: Sequence[Entry], read: Callable[[Entry], PackedImage]) -> Iterator[PackedImage]:
    """Yield the rows of images, in order."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(read, entries)
