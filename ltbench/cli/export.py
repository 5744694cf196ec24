"""`ltbench export`: the records as one table, or as a bundle for another laboratory."""

import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from ltbench.cli.options import Results, note_if_absent, path_of
from ltbench.errors import UsageError, counted, printable


class ExportFormat(StrEnum):
    """What is written."""

    CSV = "csv"
    PARQUET = "parquet"
    BUNDLE = "bundle"


def export(
    format_: Annotated[
        ExportFormat,
        typer.Option("--format", help="A table as csv or parquet, or a bundle to merge."),
    ] = ExportFormat.CSV,
    output: Annotated[
        Path | None,
        typer.Option(
            parser=path_of, metavar="FILE", help="File to write (without: csv to standard output)."
        ),
    ] = None,
    results: Results = Path("results"),
) -> None:
    """Write all records as a tidy table, or as one archive with checksums."""
    from ltbench.exchange.bundle import write_bundle
    from ltbench.exchange.export import check_parquet, write_csv, write_parquet
    from ltbench.runs.files import write_file
    from ltbench.runs.store import Store

    note_if_absent(results)
    if format_ is ExportFormat.PARQUET:
        check_parquet()
    store = Store(results)
    writers: dict[ExportFormat, Callable[[BinaryIO], int]] = {
        ExportFormat.CSV: lambda file: write_csv(store.records(), file),
        ExportFormat.PARQUET: lambda file: write_parquet(store.records(), file),
        ExportFormat.BUNDLE: lambda file: write_bundle(store, store.records(), file),
    }
    if output is not None:
        counts: list[int] = []
        write_file(output, lambda file: counts.append(writers[format_](file)), "--output")
        print(f"{counted(counts[0], 'record')} written to {output}.")
    elif format_ is ExportFormat.CSV:
        write_csv(store.records(), sys.stdout.buffer)
    else:
        raise UsageError(
            f"--format {format_} needs a file; give --output records.{_ENDING[format_]}."
        )
    for problem in store.problems:
        print(f"ltbench: left out: {printable(problem)}", file=sys.stderr)


_ENDING = {ExportFormat.PARQUET: "parquet", ExportFormat.BUNDLE: "zip"}
