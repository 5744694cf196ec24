"""The lock of one training: of two processes at it, the second reads what the first made."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ltbench.errors import LtbenchError


@contextmanager
def locked(folder: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a training's folder; `wait` is called if another process has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            wait()
            lock.acquire()
    except OSError as error:
        raise LtbenchError(
            f"cannot write {folder} ({error.strerror or error}); "
            "choose another folder with --results."
        ) from None
    try:
        yield
    finally:
        lock.release()
