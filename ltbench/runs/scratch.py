"""Scratch under `work`: how much there is, and what of it no unfinished run needs."""

from collections.abc import Iterator
from pathlib import Path

from ltbench.engine.checkpoint import Checkpoint
from ltbench.runs.files import write_file
from ltbench.runs.lock import is_locked
from ltbench.runs.store import Store
from ltbench.runs.under_way import NAME, under_way


def removable(store: Store, *, logits: bool = False) -> Iterator[Path]:
    """Yield the files that no unfinished run needs.

    What is half-written and nobody writes any more, and checkpoints of finished trainings; with
    `logits` what `evaluate` reads, too. A training that began, failed or is running keeps all it
    has, its first stage too.
    """
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


def remove(paths: list[Path]) -> int:
    """Remove files and what folders they leave empty; return how many bytes that freed."""
    freed = 0
    for path in paths:
        freed += path.stat().st_size
        path.unlink()
        if {each.name for each in path.parent.iterdir()} <= {"lock"}:
            for rest in path.parent.iterdir():
                rest.unlink()
            path.parent.rmdir()
    return freed
