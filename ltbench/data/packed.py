"""Many images in one file: the bytes of their JPEGs one after the other, with an index.

    train.bin      the files' bytes, as they were
    train.npy      of each image: offset, length, width, height, label
    manifest.json  of each part: images, bytes and SHA-256 of both; written last

A file of many gigabytes is read by position, so an epoch's order costs a file system nothing, and
nothing is decoded twice to other bytes. What was begun goes on after the last whole image.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ltbench.data.description import Part
from ltbench.data.lists import ListedImage
from ltbench.errors import LtbenchError, first_line

INDEX = np.dtype(
    [("offset", "<i8"), ("length", "<i8"), ("width", "<i4"), ("height", "<i4"), ("label", "<i8")]
)
MANIFEST = "manifest.json"
AT_ONCE = 512  # images that are read and tried at a time
_VERSION = 1


@dataclass(frozen=True)
class Packed:
    """One part of a packed data set, read by position."""

    folder: Path
    part: Part
    sha256: str  # of the index and the images

    @cached_property
    def index(self) -> npt.NDArray[Any]:
        """Return the index, one entry an image, mapped from its file."""
        found: npt.NDArray[Any] = np.load(self.folder / f"{self.part}.npy", mmap_mode="r")
        return found

    @cached_property
    def _file(self) -> int:
        return os.open(self.folder / f"{self.part}.bin", os.O_RDONLY)

    def content(self, row: int) -> bytes:
        """Return the bytes of an image's file; raises LtbenchError where the file is cut."""
        entry = self.index[row]
        offset, length = int(entry["offset"]), int(entry["length"])
        try:
            content = os.pread(self._file, length, offset)
        except OSError as error:
            raise LtbenchError(
                f"{self.folder / self.part}.bin does not read ({error.strerror}); the same command "
                "goes on from the last finished epoch once it does."
            ) from None
        if len(content) != length:
            raise LtbenchError(
                f"{self.folder / self.part}.bin ends before image {row}; prepare it again."
            )
        return content

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process opens again: neither descriptor nor map."""
        return {"folder": self.folder, "part": self.part, "sha256": self.sha256}


def open_packed(folder: Path, name: str) -> dict[Part, Packed]:
    """Return the parts of a packed data set; raises LtbenchError where there is none, or not whole.

    Sizes are compared with the manifest's; `check_bytes` compares the bytes.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        parts = manifest["parts"]
    except (OSError, ValueError, KeyError):
        raise LtbenchError(
            f"{name} is not prepared under {folder.parent}; `ltbench data prepare {name} --images "
            "FOLDER --lists FOLDER` packs it there, or name the folder that has it with "
            "--data-root or LTBENCH_DATA."
        ) from None
    for part, facts in parts.items():
        for suffix in ("bin", "npy"):
            path = folder / f"{part}.{suffix}"
            size = path.stat().st_size if path.is_file() else -1
            if size != facts[suffix]["bytes"]:
                raise LtbenchError(
                    f"{path} has {size} bytes, not {facts[suffix]['bytes']}; delete {folder} and "
                    "prepare it again."
                )
    return {part: Packed(folder, part, _joint(facts)) for part, facts in parts.items()}


def check_bytes(folder: Path, name: str) -> None:
    """Raise LtbenchError unless every byte of a packed data set is what was packed."""
    parts = open_packed(folder, name)
    manifest = json.loads((folder / MANIFEST).read_text())["parts"]
    for part in parts:
        for suffix in ("bin", "npy"):
            path = folder / f"{part}.{suffix}"
            if _digest(path) != manifest[part][suffix]["sha256"]:
                raise LtbenchError(
                    f"{path} has other bytes than were packed; delete {folder} and prepare again."
                )


def pack(
    parts: dict[Part, list[ListedImage]],
    folder: Path,
    say: Callable[[Part, int, int], None] = lambda part, images, done: None,
) -> None:
    """Pack the images of every part into a folder, going on where an earlier call stopped.

    `say` hears the part, how many images it has, and how many are done. Every image is decoded
    once, so that one that does not read is named now. Raises LtbenchError for such an image, or a
    full disk; what was packed stays.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {}
    for part, entries in parts.items():
        try:
            _pack_part(entries, folder / part, partial(say, part, len(entries)))
        except OSError as error:
            raise LtbenchError(
                f"{folder} cannot be written ({error.strerror}); the same command goes on from "
                "there once it can."
            ) from None
        paths = {suffix: folder / f"{part}.{suffix}" for suffix in ("bin", "npy")}
        facts[part] = {
            suffix: {"bytes": path.stat().st_size, "sha256": _digest(path)}
            for suffix, path in paths.items()
        } | {"images": len(entries)}
    content = json.dumps({"version": _VERSION, "parts": facts}, indent=1)
    temporary = folder / f"{MANIFEST}.tmp"
    temporary.write_text(content + "\n")
    temporary.replace(folder / MANIFEST)


def _pack_part(entries: Sequence[ListedImage], stem: Path, say: Callable[[int], None]) -> None:
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
            for content, width, height, label in _read(entries[first : first + AT_ONCE]):
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


def _read(entries: Sequence[ListedImage]) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield content, width, height and label of images, decoded to see that they do."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(_tried, entries)


def _tried(entry: ListedImage) -> tuple[bytes, int, int, int]:
    try:
        content = entry.path.read_bytes()
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return content, *image.size, int(entry.label)
    except MemoryError:
        raise
    except Exception as error:  # damage breaks Pillow's decoders in many ways
        reason = first_line(error).partition("<_io")[0].strip() or "no image"
        raise LtbenchError(
            f"{entry.path} does not read as an image ({reason}); unpack it again from its archive."
        ) from None


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joint(facts: dict[str, Any]) -> str:
    text = facts["bin"]["sha256"] + facts["npy"]["sha256"]
    return hashlib.sha256(text.encode()).hexdigest()
