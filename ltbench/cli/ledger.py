"""`ltbench ledger`: does what papers report hold? Reads records; imports no torch."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ltbench.cli.loading import read_files
from ltbench.cli.options import Load, OverSeeds, Results, note_if_absent
from ltbench.cli.views.rows import Format
from ltbench.errors import UsageError
from ltbench.evaluation.selection import Selection


def ledger(
    format_: Annotated[
        Format | None, typer.Option("--format", help="Write every line as csv or json.")
    ] = None,
    ranks: Annotated[
        str | None,
        typer.Option(metavar="PROTOCOL", help="Instead, rank methods over its data sets."),
    ] = None,
    select: Annotated[
        Selection,
        typer.Option(help="best_test: as most papers report, and optimistic as they are."),
    ] = Selection.LAST,
    seeds: OverSeeds = None,
    results: Results = Path("results"),
    load: Load = None,
) -> None:
    """Say cell by cell and claim by claim whether what the papers report holds."""
    if select is Selection.VALIDATION:
        raise UsageError(
            "--select validation: papers' protocols hold no training images out to select on; "
            "give last or best_test."
        )
    note_if_absent(results)
    read_files(load)
    if ranks is not None:
        _rank(ranks, results)
        return
    from ltbench.cli.views.ledger import print_ledger
    from ltbench.registry.signatures import names
    from ltbench.runs.store import Store
    from ltbench.tables.claims import load_claims
    from ltbench.tables.definition import load as table_of
    from ltbench.tables.definition import over_seeds, selecting
    from ltbench.tables.ledger import ledger_of
    from ltbench.tables.shipped import shipped
    from ltbench.tables.write.ledger import as_csv, as_json

    own = [table_of(name) for name in sorted(shipped())]
    claims = load_claims(own)
    chosen = [selecting(table, select) for table in own]
    if seeds is not None:
        chosen = [over_seeds(table, seeds) for table in chosen]
    tables = [replace(new, name=table.name) for new, table in zip(chosen, own, strict=True)]
    filled = ledger_of(tables, claims, Store(results), names())
    if format_ is None:
        print_ledger(filled, Console(highlight=False))
    else:
        sys.stdout.write(as_csv(filled) if format_ is Format.CSV else as_json(filled))
    for remark in filled.remarks:
        print(f"ltbench: {remark}", file=sys.stderr)
    for problem in filled.problems:
        print(f"ltbench: left out: {problem}", file=sys.stderr)


def _rank(protocol: str, results: Path) -> None:
    from ltbench.cli.views.ranking import print_ranking
    from ltbench.runs.store import Store
    from ltbench.tables.ranking import ranking

    store = Store(results)
    found = ranking(store.records(), protocol)
    print_ranking(found, Console(highlight=False))
    for remark in found.remarks:
        print(f"ltbench: {remark}", file=sys.stderr)
    for problem in (*store.problems, *found.problems):
        print(f"ltbench: left out: {problem}", file=sys.stderr)
