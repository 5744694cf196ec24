"""Scratch under `work`: how much there is, and what of it no unfinished run needs."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ltbench.engine.checkpoint import Checkpoint
from ltbench.errors import LtbenchError
from ltbench.runs.files import write_file
from ltbench.runs.lock import is_locked
from ltbench.runs.store import HALF_WRITTEN, Store
from ltbench.runs.under_way import NAME, under_way
from ltbench.runs.unit import file_of

ABANDONED = 3600.0  # seconds since a half-written file was written to


def removable(store: Store, *, logits: bool = False) -> Iterator[Path]:
    """Yield the files that no unfinished run needs.

    What is half-written and nobody writes any more, and checkpoints of finished trainings; with
    `logits` what `evaluate` reads, too. A training that began, failed or is running keeps all it
    has, its first stage too.
    """
    yield from _litter(store)
    needed = {found.first_stage for found, _ in under_way(store)}
    for folder in sorted(path for path in (store.root / "work").glob("*") if path.is_dir()):
        if is_locked(folder):
            continue
        yield from sorted(folder.glob("*.tmp"))
        checkpoint = store.checkpoint_path(folder.name)
        if (folder / NAME).exists() or folder.name in needed:
            continue
        state = Checkpoint(checkpoint, write_file).state()
        if state in ("finished", "damaged"):
            yield checkpoint
        if logits and state != "under way" and store.logits_path(folder.name).exists():
            yield store.logits_path(folder.name)


def _litter(store: Store) -> Iterator[Path]:
    """Yield what a killed writer left outside `work`, for so long that nobody writes it any more.

    What is of a record is given its place instead.
    """
    if any(store.root.rglob("*.new")):
        for record in store.records():
            for kind in record.files:
                with suppress(LtbenchError):
                    file_of(store, record, kind)
    work, now = store.root / "work", _now(store)
    for path in sorted(each for ending in HALF_WRITTEN for each in store.root.rglob(ending)):
        old = now - path.stat().st_mtime > ABANDONED
        if path.is_file() and old and (path.suffix == ".new" or work not in path.parents):
            yield path


def _now(store: Store) -> float:
    """Return the time by the clock that files' times are of: a server's may be hours off ours."""
    try:
        with tempfile.TemporaryFile(dir=store.root) as file:
            file.write(b"now")
            file.flush()
            return os.fstat(file.fileno()).st_mtime
    except OSError:  # of a store that may only be read, from which nothing is removed
        return time.time()


def remove(paths: list[Path]) -> int:
    """Remove files and what folders they leave empty; return how many bytes that freed.

    Raises LtbenchError where one cannot be removed.
    """
    freed = 0
    for path in paths:
        try:
            freed += _remove(path)
        except FileNotFoundError:  # its training has ended meanwhile, and removed it
            continue
        except OSError as error:
            raise LtbenchError(
                f"cannot remove {error.filename} ({error.strerror}); "
                "let its folder be written to, and give the same command again."
            ) from None
    return freed


def _remove(path: Path) -> int:
    freed = path.stat().st_size
    path.unlink()
    if {each.name for each in path.parent.iterdir()} <= {"lock"}:
        for rest in path.parent.iterdir():
            rest.unlink()
        path.parent.rmdir()
    return freed
