"""`ltbench report`: everything a results folder says, as one HTML file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ltbench.cli.loading import read_files
from ltbench.cli.options import Load, Results, note_if_absent, path_of


def report(
    output: Annotated[
        Path | None,
        typer.Option(
            parser=path_of, metavar="FILE", help="\\[default: report.html in the results folder]"
        ),
    ] = None,
    public: Annotated[
        bool,
        typer.Option("--public", help="Write a leaderboard to publish instead: leaderboard.html."),
    ] = False,
    results: Results = Path("results"),
    load: Load = None,
) -> None:
    """Write verdicts, tables, figures and the records behind them as one HTML file."""
    from ltbench.errors import UsageError, counted
    from ltbench.report import leaderboard, page
    from ltbench.runs.store import Store

    note_if_absent(results)
    read_files(load)
    usual = results / ("leaderboard.html" if public else "report.html")
    path = output or usual
    if path.is_dir():
        raise UsageError(f"{path} is a folder; give a file, such as {path / usual.name}.")
    made = (leaderboard if public else page).render(Store(results))
    made.write(path, "--results" if output is None else "--output")
    for problem in made.problems:
        print(f"ltbench: left out: {problem}", file=sys.stderr)
    size = len(made.text.encode()) / 1e6
    print(
        f"Written: {path} ({counted(made.records, 'record')}, {size:.1f} MB); open it in a browser."
    )
