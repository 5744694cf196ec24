"""Checkpoints: the state of a training after a whole epoch, read with `weights_only=True`."""

import io
import math
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch

from ltbench.errors import LtbenchError, first_line


@dataclass
class Progress:
    """A training's epochs, steps, seconds, scores and curves so far; no weights."""

    stage: int = 0
    epoch: int = 0  # finished epochs of the stage
    epochs_done: int = 0  # over all stages
    steps: int = 0
    train_seconds: float = 0.0
    first_stage_seconds: float = 0.0  # of these, those of a first stage taken up
    evaluate_seconds: float = 0.0
    waited_seconds: float = 0.0  # of training, those without images to train on
    images: int = 0  # seen in training
    curves: list[dict[str, Any]] = field(default_factory=list)
    last: dict[str, Any] | None = None  # Scores, as plain data
    best: dict[str, Any] | None = None
    selected: dict[str, Any] | None = None
    selected_by: float = -1.0  # held-out accuracy of `selected`
    finished: bool = False
    environments: list[dict[str, Any]] = field(default_factory=list)  # of the sessions, in order
    peak_memory_mib: float = 0.0  # over the sessions
    pretrained_sha256: str = ""  # of the weights that it began from
    skipped: list[int] = field(default_factory=list)  # images left out since they do not read

    @property
    def seconds(self) -> float:
        """Return the seconds of training and evaluation so far."""
        return self.train_seconds + self.evaluate_seconds

    def check(self, epochs: Sequence[int]) -> None:
        """Raise ValueError unless this is a place in a training of stages of so many epochs."""
        done = sum(epochs[: self.stage]) + self.epoch
        if self.finished:
            whole = (self.stage, self.epoch) == (len(epochs), 0) and self.last is not None
        else:
            whole = 0 <= self.stage < len(epochs) and 0 <= self.epoch <= epochs[self.stage]
        if not whole or done != self.epochs_done or len(self.curves) != done:
            word = "finished" if self.finished else "under way"
            raise ValueError(f"it is {word} at epoch {self.epochs_done} of {sum(epochs)}")
        scores = filter(None, (self.last, self.best, self.selected))
        if any(not 0 < each["epoch"] <= done for each in scores):
            raise ValueError(f"it has scores of another epoch than its first {done}")
        counts = (self.steps, self.images, self.train_seconds, self.evaluate_seconds)
        if not all(0 <= count < math.inf for count in counts):
            raise ValueError("its steps, images or seconds are no numbers of these")


PARTS = frozenset({"network", "optimiser", "states", "progress"})
Saver = Callable[[Path, Callable[[BinaryIO], object]], None]


@dataclass
class Checkpoint:
    """One checkpoint file; `save_file` writes it whole or not at all."""

    path: Path
    save_file: Saver
    every: float = 30.0  # seconds between saves; the end and Ctrl-C always save

    def save(self, content: dict[str, Any]) -> None:
        """Replace the checkpoint."""
        stream = io.BytesIO()  # torch's own file writer hides the disk's error
        torch.save(content, stream)
        self.save_file(self.path, lambda file: file.write(stream.getbuffer()))

    def load(self) -> dict[str, Any] | None:
        """Return the content, or None if there is no file; raises LtbenchError if damaged."""
        if not self.path.exists():
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:
                if archive.testzip() is not None:  # torch does not check the checksums
                    raise ValueError("a checksum differs")
            content: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            if missing := PARTS - content.keys():
                raise ValueError(f"{sorted(missing)[0]} is missing")
        except Exception as error:  # a damaged file breaks the unpickler in many ways
            raise self.load_error(error) from None
        return content

    def state(self) -> Literal["absent", "under way", "finished", "damaged"]:
        """Return how far the training in the file is, if there is one and it reads."""
        try:
            content = self.load()
        except LtbenchError:
            return "damaged"
        if content is None:
            return "absent"
        return "finished" if content["progress"]["finished"] else "under way"

    def load_error(self, error: Exception) -> LtbenchError:
        """Return the error for a checkpoint that cannot be taken up."""
        reason = first_line(error) if isinstance(error, ValueError) else type(error).__name__
        return LtbenchError(
            f"checkpoint {self.path} does not read ({reason}); "
            "delete it to train this run from the start."
        )


def on_device(state: Any, device: torch.device) -> Any:
    """Return a nest of dictionaries with its tensors on a device."""
    if isinstance(state, dict):
        return {key: on_device(value, device) for key, value in state.items()}
    return state.to(device) if isinstance(state, torch.Tensor) else state
