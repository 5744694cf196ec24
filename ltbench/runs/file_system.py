"""What a results folder's file system lacks, and what stands in for it."""

import os
import tempfile
from pathlib import Path

from ltbench.runs.files import REFUSALS
from ltbench.runs.lock import HELD, has_locks


def lacking(root: Path) -> list[str]:
    """Return a sentence for each thing that a folder's file system has not; none if it has all.

    Nothing stays written. A folder that cannot be written is for whoever writes there to name.
    """
    folder = next(path for path in (root, *root.absolute().parents) if path.exists())
    found = []
    try:
        if not has_locks(folder):
            found.append(
                f"the file system of {root} has no locks: a file {HELD} keeps others from a "
                "training instead, and has to be deleted by hand where the process that made it "
                "was killed on another machine."
            )
        if not _has_links(folder):
            found.append(
                f"the file system of {root} has no hard links: records are renamed into their "
                "places instead, so do not `ltbench merge` there while trainings run."
            )
    except OSError:
        return []
    return found


def _has_links(folder: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".ltbench") as scratch:
        one = Path(scratch) / "one"
        one.touch()
        try:
            os.link(one, one.with_name("other"))
        except OSError as error:
            return error.errno not in REFUSALS
    return True
