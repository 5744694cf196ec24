"""Which rows of a table can be run, and why the others cannot."""

from collections.abc import Collection
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as Screen
from rich.text import Text

from ltbench.specification import parse
from ltbench.tables.definition import Row, Table


@dataclass(frozen=True)
class Coverage:
    """A row; `reason` is empty where its specification runs."""

    label: str
    specifications: tuple[str, ...]
    reason: str

    @property
    def runnable(self) -> bool:
        """Return whether this version has every part of the row's specifications."""
        return not self.reason


def coverage(table: Table, methods: Collection[str]) -> list[Coverage]:
    """Return what each row needs, given the methods that this version has."""
    return [_row(row, table, methods) for row in table.definition.rows]


def unreadable(table: Table) -> list[str]:
    """Return the titles of the table's data sets that this version cannot read."""
    data = (column.data for column in table.definition.columns)
    return list(dict.fromkeys(each.info.title for each in data if not each.available))


def show(table: Table, methods: Collection[str], console: Console) -> None:
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
    console.print(f"{runnable} of {len(rows)} rows have a specification that runs.")
    unread = unreadable(table)
    if unread:
        console.print(Text(f"Data sets that this version cannot read: {', '.join(unread)}."))


def _row(row: Row, table: Table, methods: Collection[str]) -> Coverage:
    if row.method is None:
        return Coverage(row.label, (), row.reason or "")
    wanted = [row.method_on(column.data) for column in table.definition.columns]
    specifications = tuple(dict.fromkeys(each for each in wanted if each is not None))
    names = dict.fromkeys(term.name for each in specifications for term in parse(each))
    lacking = [name for name in names if name not in methods]
    reason = f"this version has no {', '.join(lacking)}" if lacking else ""
    return Coverage(row.label, specifications, reason)
