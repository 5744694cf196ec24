"""The rows of a table that run, in the terminal."""

from collections.abc import Collection

from rich import box
from rich.console import Console
from rich.table import Table as Screen
from rich.text import Text

from ltbench.tables.definition import Table
from ltbench.tables.missing import coverage, unavailable_data


def print_coverage(table: Table, methods: Collection[str], console: Console) -> None:
    """Print the rows, how many of them run, and what else is in the way."""
    rows = coverage(table, methods)
    screen = Screen(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for header in ("row", "specification", "runs"):
        screen.add_column(header, overflow="fold")
    for row in rows:
        specifications = Text(", ".join(row.specifications) or "--")
        screen.add_row(Text(row.label), specifications, Text(row.reason or "yes"))
    console.print(Text(table.definition.title, style="bold"), screen, sep="\n")
    runnable = sum(row.runnable for row in rows)
    unread = unavailable_data(table)
    if any(column.data.available for column in table.definition.columns):
        console.print(f"{runnable} of {len(rows)} rows have a specification that runs.")
    else:
        console.print(
            f"Nothing of it runs: {runnable} of {len(rows)} rows have a specification, and none of "
            "the data sets can be read."
        )
    if unread:
        console.print(Text(f"Data sets that this version cannot read: {', '.join(unread)}."))
