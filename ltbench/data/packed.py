"""Many images in one file: the bytes of their JPEGs one after the other, with an index.

    train.bin      the files' bytes, as they were
    train.npy      of each image: offset, length, width, height, label
    manifest.json  of each part: images, bytes and SHA-256 of both; written last

A file of many gigabytes is read by position, so an epoch's order costs a file system nothing, and
nothing is decoded twice to other bytes. What was begun goes on after the last whole image.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltbench.data.description import Part
from ltbench.errors import LtbenchError

INDEX = np.dtype(
    [("offset", "<i8"), ("length", "<i8"), ("width", "<i4"), ("height", "<i4"), ("label", "<i8")]
)
MANIFEST = "manifest.json"
LISTS = "lists.json"  # SHA-256 of each part's sorted list
VERSION = 1
SOURCE = "source.txt"  # beside a copy: the hash of what it is a copy of
_SHORT = "-short"  # between a set's name and its shorter side, as a folder


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


def open_packed(folder: Path, named: str, laid: str = "") -> dict[Part, Packed]:
    """Return the parts of a packed data set; raises LtbenchError where there is none, or not whole.

    `named` is what `ltbench data prepare` is given to pack them, `laid` what must lie there, in
    words. Sizes are compared with the manifest's; `check_bytes` compares the bytes.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        parts = manifest["parts"]
    except (OSError, ValueError, KeyError):
        raise LtbenchError(
            f"{folder.name} is not prepared under {folder.parent}; `ltbench data prepare {named}` "
            f"packs it there{laid}, or name the folder that has it with --data-root or "
            "LTBENCH_DATA."
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


def check_bytes(folder: Path, named: str, laid: str = "") -> None:
    """Raise LtbenchError unless every byte of a packed data set is what was packed."""
    parts = open_packed(folder, named, laid)
    manifest = json.loads((folder / MANIFEST).read_text())["parts"]
    for part in parts:
        for suffix in ("bin", "npy"):
            path = folder / f"{part}.{suffix}"
            if digest(path) != manifest[part][suffix]["sha256"]:
                raise LtbenchError(
                    f"{path} has other bytes than were packed; delete {folder} and prepare again."
                )


def shrunk(folder: Path, side: int | None) -> Path:
    """Return where a folder's images lie with a shorter side of `side`; the folder for None."""
    return folder if side is None else folder.with_name(f"{folder.name}{_SHORT}{side}")


def source_of(folder: Path) -> str:
    """Return a hash of all that is packed in a folder; empty where nothing is."""
    manifest = folder / MANIFEST
    return digest(manifest) if manifest.is_file() else ""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _joint(facts: dict[str, Any]) -> str:
    text = facts["bin"]["sha256"] + facts["npy"]["sha256"]
    return hashlib.sha256(text.encode()).hexdigest()
