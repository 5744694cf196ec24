"""Why a data set that torchvision reads cannot be read: one cause, one sentence, its remedy."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ltbench.data.info import DatasetInfo
from ltbench.data.published import DamagedError, archive_of, checked, packed_array
from ltbench.errors import LtbenchError, MissingDataError, first_line


def diagnosed(info: DatasetInfo, root: Path, reader: Any, problem: Exception) -> LtbenchError:
    """Return the error for a data set that `reader` could not read under a folder.

    Only a file that is proven damaged is called so; nothing else is ever to be deleted.
    """
    name, elsewhere = info.name, "name the folder that has it with --data-root or LTBENCH_DATA"
    prepare = f"`ltbench data prepare {name}`"
    if isinstance(problem, MemoryError):
        return LtbenchError(f"{name} needs more memory than is free here; close other programs.")
    if isinstance(problem, PermissionError):
        path = _closed(Path(problem.filename or root))
        return LtbenchError(
            f"{name}: {path} may not be read; change its permissions, or {elsewhere}."
        )
    files = dict(files_of(root, reader))
    folder = next(iter(files)).parent
    if other := misplaced(root, reader):
        return LtbenchError(
            f"{name} does not lie in {root} but in {other}; give --data-root {other}."
        )
    missing = [path for path in files if not _lies(path, reader)]
    reason = first_line(problem)
    if missing:
        what = f"file {missing[0].name}" if folder.is_dir() else f"{folder.name}/"
        return MissingDataError(
            f"{name} is missing under {root} (there is no {what}{_said(problem)}); {elsewhere}, or "
            f"run {prepare} where there is a network."
        )
    for path, checksum in files.items():
        try:
            (packed_array if _packed(reader) else checked)(path, checksum)
        except DamagedError as damage:
            return LtbenchError(
                f"{damage.path} of {name} is damaged ({damage}); delete that file and run "
                f"{prepare} where there is a network, or {elsewhere}."
            )
    return LtbenchError(f"{name} under {root} does not read ({reason}); {elsewhere}.")


def _closed(path: Path) -> Path:
    """Return the outermost folder above a path that may not be entered; the path if all may."""
    above = reversed(path.parents)
    return next((f for f in above if f.exists() and not os.access(f, os.X_OK)), path)


def _said(problem: Exception) -> str:
    """Return what else went wrong, such as a download; no advice to callers, no file's name."""
    reason = first_line(problem)
    known = "download=True" in reason or (isinstance(problem, OSError) and problem.filename)
    return "" if known else f"; {reason}"


def misplaced(root: Path, reader: Any) -> Path | None:
    """Return the parent or a child of a folder that has the data set's files where it has none."""

    def has(folder: Path) -> bool:
        first, _ = next(files_of(folder, reader))
        return _lies(first, reader)

    others = (root.parent, *sorted(path for path in root.glob("*") if path.is_dir()))
    return None if has(root) else next(filter(has, others), None)


def files_of(root: Path, reader: Any) -> Iterator[tuple[Path, str]]:
    """Yield the files of a data set under a folder, with the published MD5.

    It is of the archive, beside the file, where the set was published packed.
    """
    if _packed(reader):
        for name, checksum in reader.resources:
            yield root / reader.__name__ / "raw" / name.removesuffix(".gz"), checksum
    else:
        for name, checksum in (*reader.train_list, *reader.test_list):
            yield root / reader.base_folder / name, checksum


def unverified(root: Path, reader: Any) -> list[Path]:
    """Return the files without a published checksum: unpacked, and their archive is not there."""
    return [path for path, _ in files_of(root, reader) if not archive_of(path).exists()]


def _packed(reader: Any) -> bool:
    return hasattr(reader, "resources")


def _lies(path: Path, reader: Any) -> bool:
    return path.is_file() or (_packed(reader) and archive_of(path).is_file())
