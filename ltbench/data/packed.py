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
from ltbench.errors import LtbenchError, UsageError, first_line

INDEX = np.dtype(
    [("offset", "<i8"), ("length", "<i8"), ("width", "<i4"), ("height", "<i4"), ("label", "<i8")]
)
MANIFEST = "manifest.json"
LISTS = "lists.json"  # SHA-256 of each part's sorted list
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


Row = tuple[bytes, int, int, int]
"""Content, width, height and label of an image."""


def list_sha256(entries: Sequence[ListedImage]) -> str:
    """Return the SHA-256 of a list, sorted: of lines `name label`."""
    lines = sorted(f"{entry.name} {entry.label}" for entry in entries)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def decoded(entry: ListedImage) -> Row:
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
    reason = first_line(error).partition("<_io")[0].strip() or "no image"
    return LtbenchError(f"{entry.path} does not read as an image ({reason}); {remedy}.")


def pack(
    parts: dict[Part, list[ListedImage]],
    folder: Path,
    say: Callable[[Part, int, int], None] = lambda part, images, done: None,
    read: Callable[[ListedImage], Row] = decoded,
) -> None:
    """Pack the images of every part into a folder, going on where an earlier call stopped.

    `say` hears the part, how many images it has, and how many are done. `read` gives an image's
    row; no bytes leave it out. Raises LtbenchError for an image that does not read, or a full
    disk, where what was packed stays, and UsageError for a folder of other lists.
    """
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {part: list_sha256(entries) for part, entries in parts.items()}
    if (folder / LISTS).exists() and json.loads((folder / LISTS).read_text()) != hashes:
        raise UsageError(
            f"{folder} holds images of other lists; delete it, or choose another root."
        )
    (folder / LISTS).write_text(json.dumps(hashes, indent=1) + "\n")
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
            suffix: {"bytes": path.stat().st_size, "sha256": _digest(path)}
            for suffix, path in paths.items()
        } | {"images": len(entries)}
    content = json.dumps({"version": _VERSION, "parts": facts}, indent=1)
    temporary = folder / f"{MANIFEST}.tmp"
    temporary.write_text(content + "\n")
    temporary.replace(folder / MANIFEST)


def _pack_part(
    entries: Sequence[ListedImage],
    stem: Path,
    say: Callable[[int], None],
    read: Callable[[ListedImage], Row],
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


def _rows(entries: Sequence[ListedImage], read: Callable[[ListedImage], Row]) -> Iterator[Row]:
    """Yield the rows of images, in order."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        yield from pool.map(read, entries)


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joint(facts: dict[str, Any]) -> str:
    text = facts["bin"]["sha256"] + facts["npy"]["sha256"]
    return hashlib.sha256(text.encode()).hexdigest()
