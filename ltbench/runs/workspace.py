"""The folders and the device of a command's trainings."""

from dataclasses import dataclass
from pathlib import Path

from ltbench.runs.kept import Keep


@dataclass(frozen=True)
class Workspace:
    """Where trainings happen and where their records go."""

    results: Path
    data: Path
    device: str = "auto"
    checkpoint_every: float = 30.0  # seconds
    download: bool = True  # data that are missing
    keep: Keep | None = None  # weights, beside the record
    pretrained: Path | None = None  # weights that encoders begin from, where a protocol says so
    skip_unreadable: bool = False  # training images of a streamed set; else one stops its run
