"""Trainings that began and are not over: kept in a small file beside their checkpoint."""

import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ltbench.errors import LtbenchError
from ltbench.runs.files import write_text
from ltbench.runs.lock import is_locked
from ltbench.runs.store import Cell, Store

NAME = "under_way.json"
SECONDS_BETWEEN = 2.0


class UnderWay(BaseModel):
    """How far a training is; `cells` are those that are read off it."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    cells: tuple[Cell, ...]
    epoch: int = Field(ge=0)  # finished, over all stages
    epochs: int = Field(ge=0)
    seconds: float = Field(ge=0)  # of training and evaluation so far
    saved: bool = False  # the checkpoint has this epoch: the training was told to end, not killed
    first_stage: str = ""  # fingerprint of the training that is its first stage
    node: str = ""  # name of the machine that it is, or was, on

    @property
    def left(self) -> float | None:
        """Return the seconds that are left at this pace; None before the first epoch ends."""
        return self.seconds * (self.epochs / self.epoch - 1) if self.epoch else None


@dataclass
class Note:
    """Keeps the file of one training."""

    path: Path
    progress: UnderWay
    written: float = float("-inf")

    @classmethod
    def of(
        cls, store: Store, fingerprint: str, cells: tuple[Cell, ...], first_stage: str = ""
    ) -> "Note":
        """Return the note of a training."""
        progress = UnderWay(
            cells=cells, epoch=0, epochs=0, seconds=0.0, first_stage=first_stage,
            node=platform.node(),
        )  # fmt: skip
        return cls(store.work(fingerprint) / NAME, progress)

    def update(self, epoch: int, epochs: int, seconds: float) -> None:
        """Set how far the training is; written every few seconds."""
        changed = {"epoch": epoch, "epochs": epochs, "seconds": seconds, "saved": False}
        self.progress = self.progress.model_copy(update=changed)
        if time.monotonic() - self.written >= SECONDS_BETWEEN:
            self.write()

    def write(self) -> None:
        """Write the file; a full disk costs the note and nothing else."""
        self.written = time.monotonic()
        with suppress(LtbenchError):
            write_text(self.path, self.progress.model_dump_json() + "\n")

    def saved(self) -> None:
        """Write that the checkpoint has all whole epochs; before the first step it is as it was."""
        if not self.progress.epochs:
            return
        self.progress = self.progress.model_copy(update={"saved": True})
        self.write()

    def remove(self) -> None:
        """Remove the file: the training is over."""
        self.path.unlink(missing_ok=True)


def under_way(store: Store) -> Iterator[tuple[UnderWay, bool]]:
    """Yield every training that began and is not over, and whether a process is at it now.

    A file that does not read, as one of another version, is left out.
    """
    for path in sorted((store.root / "work").glob(f"*/{NAME}")):
        found = note_of(store, path.parent.name)
        if found is not None:
            yield found, is_locked(path.parent)


def note_of(store: Store, fingerprint: str) -> UnderWay | None:
    """Return how far a training is that is not over; None where no note of it reads."""
    try:
        return UnderWay.model_validate_json((store.work(fingerprint) / NAME).read_bytes())
    except (OSError, ValidationError):
        return None
