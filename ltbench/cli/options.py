"""Options that several commands share."""

import hashlib
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def path_of(text: str | Path) -> Path:
    """Return the path that a user wrote, `~` being the home folder."""
    return Path(text).expanduser()


class TrackerName(StrEnum):
    """What shows curves beside ltbench."""

    TENSORBOARD = "tensorboard"
    WANDB = "wandb"
    MLFLOW = "mlflow"


Results = Annotated[
    Path,
    typer.Option(
        "--results", parser=path_of, metavar="PATH", help="Folder of records and tables.",
        show_default=True,
    ),
]  # fmt: skip
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root", parser=path_of, metavar="PATH",
        help="Folder of the data sets \\[default: $LTBENCH_DATA or data].",
    ),
]  # fmt: skip
Data = Annotated[
    list[Path] | None,
    typer.Option(
        "--data", parser=path_of, metavar="PATH",
        help="A YAML file that describes images of your own; may be repeated.",
    ),
]  # fmt: skip
Load = Annotated[
    list[Path] | None,
    typer.Option(
        "--load", parser=path_of, metavar="PATH",
        help="A Python file with a method of your own; may be repeated.",
    ),
]  # fmt: skip
Output = Annotated[
    Path | None,
    typer.Option(
        "--output", parser=path_of, metavar="PATH",
        help="Folder for the files \\[default: one in the results folder].",
    ),
]  # fmt: skip
Track = Annotated[
    list[TrackerName] | None,
    typer.Option(
        "--track", help="Show the curves there too; needs its package; may be repeated.",
    ),
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def folder_for(name: str, usual: Path, output: Path | None) -> Path:
    """Return where the files of a table or figure go.

    Those of a YAML file of the user's own go into a folder of that file's own, so that neither
    what ltbench comes with nor another file of the same name is replaced.
    """
    if output is not None:
        return output
    if not name.endswith((".yaml", ".yml")):
        return usual
    path = path_of(name).resolve()
    return usual / f"{path.stem}-{hashlib.sha256(str(path).encode()).hexdigest()[:6]}"
