"""Whether a worker on another machine has the results folder that the command has.

A mark, made once, tells the folder from another at the same path; a worker must be able to read it,
and to write beside it what the command then sees.
"""

import platform
import secrets
import time
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.files import write_new

MARK = "work/results_folder"
SECONDS_TO_SHOW = 30.0  # that a shared file system may take to show a new file
SHARE = "put it on a file system that all machines share, or choose another with --results."


def mark_of(root: Path) -> str:
    """Return the mark of a results folder, made if there is none."""
    path = root / MARK
    if not path.exists():
        write_new(path, f"{secrets.token_hex(8)}\n".encode())
    return path.read_text().strip()


def check_shared(root: Path, mark: str) -> None:
    """Raise LtbenchError in a worker that has not the folder of a mark, or cannot write it."""
    here = platform.node()
    found = _shown(root / MARK)
    if found is None:
        raise LtbenchError(f"{here} does not see the results folder {root}; {SHARE}")
    if found != mark:
        raise LtbenchError(
            f"{here} has another folder than the command's at the same path {root}; {SHARE}"
        )
    try:
        answer(root).unlink()
    except OSError as error:
        raise LtbenchError(
            f"{here} cannot write the results folder {root} ({error.strerror or error}); let it be "
            "written there, or choose another with --results."
        ) from None


def answer(root: Path) -> Path:
    """Write a file, in a worker, that the command should see; raises OSError where it cannot."""
    path = root / f"{MARK}.{platform.node()}.{secrets.token_hex(4)}"
    path.write_text("seen\n")
    return path


def take_answer(path: Path) -> bool:
    """Return whether the command sees what a worker wrote, and remove it."""
    seen = _shown(path) is not None
    path.unlink(missing_ok=True)
    return seen


def _shown(path: Path) -> str | None:
    """Return a file's text, None if none shows within some seconds."""
    until = time.monotonic() + SECONDS_TO_SHOW
    while True:
        try:
            return path.read_text().strip()
        except OSError:
            if time.monotonic() >= until:
                return None
        time.sleep(0.5)
