"""`ltbench figure`: reported beside reproduced, drawn. Reads records; imports no torch."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ltbench.cli import complete
from ltbench.cli.loading import load_data, read_files
from ltbench.cli.options import Data, Load, Output, Results, folder_for, note_if_absent
from ltbench.errors import LtbenchError
from ltbench.evaluation.selection import Selection


def figure(
    name: Annotated[
        str,
        typer.Argument(
            help="Such as 5 or per_class (see ltbench list), or a YAML file.",
            autocompletion=complete.figures,
        ),
    ],
    protocol: Annotated[
        str | None, typer.Option(help="Draw another protocol's records, as a proxy.")
    ] = None,
    select: Annotated[
        Selection | None, typer.Option(help="Draw scores of another epoch, in files of its own.")
    ] = None,
    results: Results = Path("results"),
    output: Output = None,
    data: Data = None,
    load: Load = None,
) -> None:
    """Draw a figure as PDF, SVG and PNG, with its data as CSV beside it."""
    from ltbench.figures.definition import figures
    from ltbench.figures.make import make
    from ltbench.runs.store import Store

    note_if_absent(results)
    load_data(data)
    read_files(load)
    console = Console(highlight=False)
    folder = folder_for(name, results / "figures", output)
    wanted, failed = figures(name), []
    for each in wanted:
        try:
            made = make(each, Store(results), protocol, select, folder)
        except LtbenchError as error:
            if len(wanted) == 1:
                raise
            failed.append(each.name)
            print(f"ltbench: {each.name} is left out: {error}", file=sys.stderr)
            continue
        for sentence in made.remarks:
            console.print(sentence, markup=False, soft_wrap=True)
        for problem in made.problems:
            print(f"ltbench: left out: {problem}", file=sys.stderr)
        console.print(f"Written: {', '.join(map(str, made.files))}", soft_wrap=True, markup=False)
    if failed:
        raise LtbenchError(
            f"{len(failed)} of {len(wanted)} figures of {name} not drawn ({', '.join(failed)})."
        )
