"""Published files, read once: the bytes that are checked are the bytes that are used.

A file that is checked by its name and then read by it may be another by then, and a pickle is a
program.
"""

import gzip
import hashlib
import math
import pickle
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


class DamagedError(ValueError):
    """A file is not the one that was published; the message says how."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.path = path


def pickles(folder: Path, listed: Iterable[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Yield what the files of a folder hold, by name and MD5; raises DamagedError, OSError."""
    for name, checksum in listed:
        yield pickle.loads(checked(folder / name, checksum), encoding="latin1")


def packed_array(path: Path, checksum: str) -> npt.NDArray[np.uint8]:
    """Return the bytes of an IDX file that was published packed: from its archive, if it is there.

    `path` is the unpacked file and `checksum` the MD5 of the archive; where both lie there they
    must be the same. Raises DamagedError, OSError.
    """
    archive = archive_of(path)
    if not archive.exists():
        return _idx(path, path.read_bytes())
    try:
        content = gzip.decompress(checked(archive, checksum))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DamagedError(archive, str(error)) from None
    if path.exists() and path.read_bytes() != content:
        raise DamagedError(path, f"it is not what {archive.name} holds")
    return _idx(path, content)


def archive_of(path: Path) -> Path:
    """Return where the archive of an unpacked file lies."""
    return path.with_name(f"{path.name}.gz")


def checked(path: Path, checksum: str) -> bytes:
    """Return a file's content; raises DamagedError for another MD5, OSError."""
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != checksum:
        raise DamagedError(path, f"its {len(content)} bytes have another MD5 than was published")
    return content


def _idx(path: Path, content: bytes) -> npt.NDArray[np.uint8]:
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        raise DamagedError(path, f"its {len(content)} bytes are no IDX file of bytes")
    sizes = struct.unpack_from(f">{content[3]}I", content, 4)
    start = 4 + 4 * len(sizes)
    if len(content) != start + math.prod(sizes):
        promised = start + math.prod(sizes)
        raise DamagedError(path, f"it has {len(content)} bytes, not {promised}")
    return np.frombuffer(bytearray(content), np.uint8, offset=start).reshape(sizes)
