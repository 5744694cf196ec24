"""Why a data set that torchvision reads cannot be read: one cause, one sentence, its remedy."""

import hashlib
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltbench.data.catalog import DatasetInfo
from ltbench.errors import LtbenchError, first_line


def diagnosed(info: DatasetInfo, root: Path, reader: Any, problem: Exception) -> LtbenchError:
    """Return the error for a data set that `reader` could not read under a folder.

    Only a file that is proven damaged is called so; nothing else is ever to be deleted.
    """
    name, elsewhere = info.name, "name the folder that has it with --data-root or LTBENCH_DATA"
    prepare = f"`ltbench data prepare {name}`"
    if isinstance(problem, MemoryError):
        return LtbenchError(f"{name} needs more memory than is free here; close other programs.")
    if isinstance(problem, PermissionError):
        path = problem.filename or root
        return LtbenchError(
            f"{name}: {path} may not be read; change its permissions, or {elsewhere}."
        )
    files = dict(_files(root, reader))
    folder = next(iter(files)).parent
    if other := misplaced(root, reader):
        return LtbenchError(
            f"{name} does not lie in {root} but in {other}; give --data-root {other}."
        )
    missing = [path for path in files if not path.is_file()]
    reason = first_line(problem)
    if missing:
        what = missing[0].name if folder.is_dir() else f"{folder.name}/"
        return LtbenchError(
            f"{name} is missing under {root} (there is no {what}{_said(problem)}); {elsewhere}, or "
            f"run {prepare} where there is a network."
        )
    for path, checksum in files.items():
        if damage := _damage(path, checksum):
            return LtbenchError(
                f"{path} of {name} is damaged ({damage}); delete that file and run {prepare} "
                f"where there is a network, or {elsewhere}."
            )
    return LtbenchError(f"{name} under {root} does not read ({reason}); {elsewhere}.")


def _said(problem: Exception) -> str:
    """Return what went wrong in words, without torchvision's advice to its own callers."""
    reason = first_line(problem)
    return "" if "download=True" in reason else f"; {reason}"


def misplaced(root: Path, reader: Any) -> Path | None:
    """Return the parent or a child of a folder that has the data set's files where it has none."""

    def has(folder: Path) -> bool:
        first, _ = next(_files(folder, reader))
        return first.is_file()

    others = (root.parent, *sorted(path for path in root.glob("*") if path.is_dir()))
    return None if has(root) else next(filter(has, others), None)


def _files(root: Path, reader: Any) -> Iterator[tuple[Path, str | None]]:
    """Yield the files of a data set under a folder, with their MD5 where one is published."""
    if hasattr(reader, "train_list"):
        meta = [reader.meta["filename"], reader.meta["md5"]]
        for name, checksum in (*reader.train_list, *reader.test_list, meta):
            yield root / reader.base_folder / name, checksum
    else:
        for name, _ in reader.resources:  # the checksums are of the archives
            yield root / reader.__name__ / "raw" / name.removesuffix(".gz"), None


def _damage(path: Path, checksum: str | None) -> str:
    """Return what proves a file damaged, or nothing."""
    content = path.read_bytes()
    if checksum is not None:
        same = hashlib.md5(content, usedforsecurity=False).hexdigest() == checksum
        return "" if same else f"its {len(content)} bytes have another MD5 than was published"
    if content[:3] != b"\0\0\x08" or len(content) < 4 + 4 * content[3]:
        return f"its {len(content)} bytes are no IDX file of bytes"
    sizes = struct.unpack_from(f">{content[3]}I", content, 4)
    promised = 4 + 4 * len(sizes) + math.prod(sizes)
    return "" if len(content) == promised else f"it has {len(content)} bytes, not {promised}"
