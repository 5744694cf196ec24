"""Images of one's own from files: read, hashed, decoded, and looked through for what is amiss."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ltbench.data.arrays import Collected, check_size
from ltbench.data.description import PARTS, Description
from ltbench.data.listing import check_twins, listing
from ltbench.data.pictures import BadImageError, picture
from ltbench.errors import LtbenchError


def from_files(description: Description, path: Path) -> Collected:
    """Return the images that a description names; `path` is its file's.

    Raises UsageError for a listing that is wrong, LtbenchError for images that do not read.
    """
    found = listing(description, path.parent)
    side, channels = description.size, description.channels
    packs = f"`ltbench data prepare {path}` packs them to be streamed, or give a smaller `size`"
    check_size(len(found.entries), side, channels, packs)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        read = list(pool.map(lambda each: _read(each.path, side, channels), found.entries))
    bad = [
        f"{entry.name} ({one.problem})"
        for entry, one in zip(found.entries, read, strict=True)
        if one.pixels is None
    ]
    if bad and description.unreadable == "stop":
        more = f" and {len(bad) - 1} others do" if len(bad) > 1 else " does"
        raise LtbenchError(
            f"{bad[0]}{more} not read as images; replace or remove them, or let them be left out "
            "with `unreadable: skip` in the description."
        )
    kept = [i for i, one in enumerate(read) if one.pixels is not None]
    pixels = [one.pixels for one in read if one.pixels is not None]
    if bad:
        entries = tuple(found.entries[i] for i in kept)
        found = replace(found, entries=entries)
    hashed = [(read[i].sha256, e) for i, e in zip(kept, found.entries, strict=True)]
    check_twins(*([each for each in hashed if each[1].part == part] for part in ("train", "test")))
    lines, parts = [], {}
    for part in PARTS:
        members = [i for i, e in enumerate(found.entries) if e.part == part]
        labels = np.asarray(found.indices(part), np.int64)
        if members:
            parts[part] = np.stack([pixels[i] for i in members]), labels
        lines += [
            f"{part}\t{label}\t{found.entries[i].name}\t{read[kept[i]].sha256}"
            for i, label in zip(members, labels, strict=True)
        ]
    sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return Collected(parts, found.classes, sha256, tuple(bad), found.strangers)


@dataclass(frozen=True)
class _Read:
    sha256: str
    pixels: npt.NDArray[np.uint8] | None
    problem: str = ""


def _read(path: Path, side: int, channels: int) -> _Read:
    try:
        content = path.read_bytes()
    except OSError as error:
        return _Read("", None, error.strerror or "it cannot be opened")
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        return _Read(sha256, picture(content, side, channels))
    except BadImageError as error:
        return _Read(sha256, None, str(error))
