"""`ltbench table`: reported beside reproduced. Reads records; imports no torch."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ltbench.cli import complete
from ltbench.cli.options import Data, Load, Output, Results, folder_for
from ltbench.cli.views.rows import load_data, read_files
from ltbench.evaluation.selection import Selection


def table(
    name: Annotated[
        str,
        typer.Argument(
            help="A paper's table, such as 1 or cc_sam/1, or a YAML file.",
            autocompletion=complete.tables,
        ),
    ],
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Show another protocol's records, as a proxy.", autocompletion=complete.protocols
        ),
    ] = None,
    select: Annotated[
        Selection | None, typer.Option(help="Show scores of another epoch, in files of its own.")
    ] = None,
    siunitx: Annotated[
        bool, typer.Option("--siunitx", help="Let LaTeX align numbers by the package siunitx.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Show the statistics behind the cells instead.")
    ] = False,
    results: Results = Path("results"),
    output: Output = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Say which rows can be run, and why others cannot.")
    ] = False,
    data: Data = None,
    load: Load = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Write the files, show nothing.")] = False,
) -> None:
    """Write a table as CSV, LaTeX and Markdown, and show it."""
    from ltbench.api.signatures import names
    from ltbench.cli.views.table import print_table
    from ltbench.runs.store import Store
    from ltbench.tables.definition import load as table_of
    from ltbench.tables.definition import selecting
    from ltbench.tables.grid import build
    from ltbench.tables.write.files import write

    load_data(data)
    read_files(load)
    console = Console(highlight=False)
    if coverage:
        from ltbench.cli.views.coverage import print_coverage

        print_coverage(table_of(name), names(), console)
        return
    chosen, store = table_of(name), Store(results)
    if select is not None:
        chosen = selecting(chosen, select, protocol)
    if details:
        from ltbench.cli.views.details import print_details
        from ltbench.tables.details import details as behind

        print_details(behind(chosen, store, protocol), console)
        return
    grid = build(chosen, store, protocol)
    files = write(grid, folder_for(name, results / "tables", output), siunitx)
    if quiet:
        for problem in grid.problems:
            print(f"ltbench: left out: {problem}", file=sys.stderr)
        for remark in grid.remarks:
            print(f"ltbench: {remark}", file=sys.stderr)
        return
    print_table(grid, console)
    console.print(f"Written: {', '.join(map(str, files))}", soft_wrap=True)
