"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Results = Annotated[
    Path, typer.Option("--results", help="Folder of records and tables.", show_default=True)
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of the data sets \\[default: $LTBENCH_DATA or data]."),
]
Load = Annotated[
    list[Path] | None,
    typer.Option("--load", help="A Python file with a method of your own; may be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
