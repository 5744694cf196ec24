"""Folders looked into, and a disk that is full."""

import resource
from contextlib import contextmanager


def files_in(folder, pattern="*"):
    """Return the paths of the files below a folder, in order and relative to it."""
    paths = (path for path in folder.rglob(pattern) if path.is_file())
    return sorted(str(path.relative_to(folder)) for path in paths)


@contextmanager
def disk_of(count):
    """Let no file of this process grow beyond so many bytes: writes then fail as on a full disk.

    Around the writing only: the tests' own output may go to a file, which is longer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
