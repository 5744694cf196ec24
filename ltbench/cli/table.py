"""`ltbench table`: reported beside reproduced. Reads records; imports no torch."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ltbench.cli.options import Results


def table(
    name: Annotated[
        str, typer.Argument(help="A paper's table, such as 1 or cc_sam/1, or a YAML file.")
    ],
    protocol: Annotated[
        str | None, typer.Option(help="Show another protocol's records, as a proxy.")
    ] = None,
    results: Results = Path("results"),
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say which rows can be run, and why others cannot.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Write the files, show nothing.")] = False,
) -> None:
    """Write a table as CSV, LaTeX and Markdown, and show it."""
    from ltbench.runs.store import Store
    from ltbench.tables import coverage as rows
    from ltbench.tables.console import show
    from ltbench.tables.definition import load
    from ltbench.tables.grid import build
    from ltbench.tables.missing import implemented
    from ltbench.tables.render import write

    console = Console(highlight=False)
    if coverage:
        rows.show(load(name), implemented(), console)
        return
    grid = build(load(name), Store(results), protocol)
    files = write(grid, results / "tables")
    if quiet:
        for problem in grid.problems:
            print(f"ltbench: left out: {problem}", file=sys.stderr)
        return
    show(grid, console)
    console.print(f"Written: {', '.join(map(str, files))}", soft_wrap=True)
