"""The lock of one training: of two processes at it, the second reads what the first made.

Where the file system has no locks, a file stands for the lock as long as it is there.
"""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from ltbench.errors import LtbenchError

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

NAME = "lock"
HELD = "lock_held"  # stands for the lock where there are none
# What file systems say that have no locks: NFS without its lock daemon, Lustre, some of FUSE.
_REFUSALS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def locked(folder: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a training's folder; `wait` is called if another process has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _lock_of(folder)
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
    if (folder / HELD).exists() and _is_held(SoftFileLock(folder / HELD)):
        return True
    if fcntl is None:
        return _is_held(FileLock(folder / NAME))
    try:
        handle = os.open(folder / NAME, os.O_RDONLY)  # another user's can be read at least
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


@cache
def has_locks(folder: Path) -> bool:
    """Return whether the file system of a folder has locks; raises OSError where it is not there.

    Asked once a process: all trainings of a results folder are on one.
    """
    if fcntl is None:
        return True
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno not in _REFUSALS
    return True


def _lock_of(folder: Path) -> BaseFileLock:
    if has_locks(folder.parent):
        return FileLock(folder / NAME, mode=0o666)  # a colleague's run needs it, too
    return SoftFileLock(folder / HELD)


def _is_held(lock: BaseFileLock) -> bool:
    """Return whether a lock cannot be had, where a lock cannot be looked at.

    The file of a process of this machine that has died is taken away by asking.
    """
    try:
        with lock.acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # of a folder that may only be read
        return isinstance(lock, SoftFileLock)
