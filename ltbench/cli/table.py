"""`ltbench table`: reported beside reproduced. Reads records; imports no torch."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ltbench.cli import complete
from ltbench.cli.loading import load_data, read_files
from ltbench.cli.options import (
    Data,
    Load,
    Output,
    OverSeeds,
    Results,
    folder_for,
    note_if_absent,
)
from ltbench.errors import LtbenchError
from ltbench.evaluation.selection import Selection

if TYPE_CHECKING:
    from ltbench.runs.store import Store
    from ltbench.tables.definition import Table


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
    seeds: OverSeeds = None,
    siunitx: Annotated[
        bool, typer.Option("--siunitx", help="Let LaTeX align numbers by the package siunitx.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Show the statistics behind the cells instead.")
    ] = False,
    flatness: Annotated[
        bool,
        typer.Option("--flatness", help="Show eigenvalues and traces by shot group instead."),
    ] = False,
    open_set: Annotated[
        bool, typer.Option("--open-set", help="Show how well unknown classes are rejected.")
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
    from ltbench.cli.views.table import print_table
    from ltbench.registry.signatures import names
    from ltbench.runs.store import Store
    from ltbench.tables.definition import load as table_of
    from ltbench.tables.definition import over_seeds, selecting
    from ltbench.tables.grid import grid_of
    from ltbench.tables.ledger_claims import with_reading_notes
    from ltbench.tables.write.files import write

    note_if_absent(results)
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
    if seeds is not None:
        chosen = over_seeds(chosen, seeds)
    if details:
        from ltbench.cli.views.details import print_details
        from ltbench.tables.details import details_of

        print_details(details_of(chosen, store, protocol), console)
        return
    if flatness or open_set:
        _analysed(chosen, store, open_set, folder_for(name, results / "tables", output), console)
        return
    grid = with_reading_notes(grid_of(chosen, store, protocol), store)
    files = write(grid, folder_for(name, results / "tables", output), siunitx)
    if quiet:
        for problem in grid.problems:
            print(f"ltbench: left out: {problem}", file=sys.stderr)
        for remark in grid.remarks:
            print(f"ltbench: {remark}", file=sys.stderr)
        return
    print_table(grid, console)
    console.print(f"Written: {', '.join(map(str, files))}", soft_wrap=True)


def _analysed(
    chosen: "Table", store: "Store", open_set: bool, folder: Path, console: Console
) -> None:
    """Show and write what analyses say; raises LtbenchError, with the commands, for none."""
    from ltbench.analysis.summary import flatness
    from ltbench.analysis.summary import open_set as open_set_rows
    from ltbench.cli.views.analysed import print_analysed
    from ltbench.runs.files import write_text
    from ltbench.tables.write.analysed import as_csv, markdown

    kind, analysis = ("open_set", "openset") if open_set else ("flatness", "hessian")
    rows = open_set_rows(store) if open_set else flatness(chosen.cells(), store)
    if not rows:
        raise LtbenchError(
            f"{store.root} has no {analysis} analyses for table {chosen.short}; "
            f"`ltbench run --keep weights` and then `ltbench analyse {analysis}` make them."
        )
    print_analysed(rows, chosen.definition.title, _CAPTIONS[kind], console)
    for suffix, text in (("csv", as_csv(rows)), ("md", markdown(rows))):
        write_text(folder / f"{chosen.name}_{kind}.{suffix}", text)
    files = (str(folder / f"{chosen.name}_{kind}.{suffix}") for suffix in ("csv", "md"))
    console.print(f"Written: {', '.join(files)}", soft_wrap=True)


_CAPTIONS = {
    "flatness": (
        "Of each class's mean cross-entropy, averaged over a shot group; mean over seeds with "
        "95 % t-interval from three on. Compare methods by the filter-normalised trace: "
        "rescaling weights before batch norm moves the others."
    ),
    "open_set": (
        "F by OLTR's formula since 2020 (new), before (old), and scikit-learn's (micro); F0 is "
        "that of who never rejects, so F - F0 alone speaks of detection. The official threshold "
        "is 0.1 on the largest probability, the held-out one keeps 95 % of known training images "
        "held out. Other sets than the paper's: never compared with it."
    ),
}
