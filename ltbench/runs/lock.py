"""The lock of one training: of two processes at it, the second reads what the first made."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ltbench.errors import LtbenchError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a training's folder; `wait` is called if another process has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", mode=0o666)  # a colleague's run needs it, too
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


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of a training's folder."""
    if fcntl is None:
        return _is_locked_elsewhere(folder / "lock")
    try:
        handle = os.open(folder / "lock", os.O_RDONLY)  # another user's can be read at least
    except OSError:  # there is none, so nobody has it
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # of a file system without locks
        return False
    finally:
        os.close(handle)  # and gives back what it got
    return False


def _is_locked_elsewhere(path: Path) -> bool:
    """Return whether a lock cannot be had, where a lock cannot be looked at."""
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # of a folder that may only be read
        return False
