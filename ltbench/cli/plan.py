"""`ltbench plan table 1`: runs in order, their cost, and what numbers of seeds detect."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltbench.cli.loading import load_data, load_files
from ltbench.cli.options import AsJson, Data, DataRoot, Load, Results, note_if_absent, seconds_of

if TYPE_CHECKING:
    from ltbench.planning.planner import TablePlan

app = typer.Typer(
    no_args_is_help=True, help="Say what to run first, what it costs, and what it decides."
)
_AT_LEAST = 5  # seeds that are shown at least, beyond those that a table names


@app.callback()
def _group() -> None:
    """Keep `table` a word of its own, for plans of other things."""


@app.command("table")
def table(
    name: Annotated[str, typer.Argument(help="A paper's table, such as 1, or a YAML file.")],
    seeds: Annotated[str, typer.Option(help="A count (3 is 0, 1, 2) or a list (0,4).")] = "3",
    budget: Annotated[
        str | None, typer.Option(help="Time to spend, such as 8h or 1d12h; without, all it takes.")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="Another protocol; but for `paper` in float32 it decides nothing."),
    ] = None,
    results: Results = Path("results"),
    data_root: DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    data: Data = None,
    load: Load = None,
    price_per_hour: Annotated[
        float | None,
        typer.Option("--price-per-hour", min=0, help="What an hour costs; adds what runs cost."),
    ] = None,
    measure_again: Annotated[
        bool,
        typer.Option("--measure-again", help="Time steps anew that earlier commands timed here."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Order the runs that a table lacks, most decided cells for the time first."""
    from ltbench.cli.views.plan import as_data, print_plan
    from ltbench.data.root import data_root as root_of
    from ltbench.planning.planner import plan
    from ltbench.runs.commands import seeds_of
    from ltbench.runs.timing import StepTimer
    from ltbench.runs.workspace import Workspace
    from ltbench.tables.definition import load as table_of

    note_if_absent(results)
    load_data(data, data_root)
    load_files(load)
    timer = StepTimer(
        Workspace(results, root_of(data_root), device),
        lambda words: print(f"ltbench: {words} …", file=sys.stderr, flush=True),
        again=measure_again,
    )
    planned: TablePlan = plan(
        table_of(name), seeds_of(seeds), seconds_of(budget), protocol,
        at_least=_AT_LEAST, timer=timer,
    )  # fmt: skip
    if as_json:
        content: dict[str, Any] = as_data(planned, price_per_hour)
        print(json.dumps(content, indent=1))
    else:
        print_plan(planned, price_per_hour)
