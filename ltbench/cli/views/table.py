"""A grid in the terminal: reported values, and beneath them what the records give."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.registry.signatures import names
from ltbench.tables.definition import TableRow
from ltbench.tables.grid import Grid, TableCell
from ltbench.tables.missing import commands, unavailable, unavailable_data

_ABSENT = "*"  # behind the label of a row that has no method
_JUDGED = (
    " A verdict is by the interval that `ltbench ledger` shows, of a deviation pooled over the "
    "column; the interval here is of the row's seeds alone."
)
SHOWN = 6  # commands; more of them push the table off the screen
_Lines = dict[str, Callable[[TableCell], str]]


def print_table(grid: Grid, console: Console) -> None:
    """Print the grid, laid out for the console's width, and what it lacks."""
    everything = range(len(grid.columns))
    lines = _WIDE if _fits(grid, _WIDE, everything, console.width) else _NARROW
    definition = grid.table.definition
    console.print(Text(definition.title, style="bold"))
    if definition.paper is not None:
        console.print(Text(f"Reported by {definition.paper}"))
    for columns in _panels(grid, lines, console.width):
        console.print()
        if any(grid.columns[index].column.group for index in columns):
            console.print(_group_line(grid, lines, columns))
        console.print(_table(grid, lines, columns))
    console.print()
    first = "First line of a row: reported. " if grid.table.reported else ""
    verdicts = any(entry.verdict for entries in grid.lines for entry in entries)
    console.print(Text(f"{first}{grid.caption}{_JUDGED if verdicts else ''}"))
    if any(row.method is None for row in grid.rows):
        console.print(Text(f"{_ABSENT} not implemented, hence reported only."))
    for note in grid.notes:
        console.print(Text(f"Note: {note}"))
    console.print()
    _show_missing(grid, console)


def _show_missing(grid: Grid, console: Console) -> None:
    counts = Counter(entry.status for entries in grid.lines for entry in entries)
    cells = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    console.print(Text(f"Cells: {cells}."))
    methods = names()
    later = unavailable(grid, methods)
    if later:
        console.print(Text(f"Methods that this version does not have: {', '.join(later)}."))
    unread = unavailable_data(grid.table)
    if unread:
        console.print(Text(f"Data sets that this version cannot read: {', '.join(unread)}."))
    missing = commands(grid, methods)
    if missing:
        console.print("Missing cells are filled by (finished runs are skipped):")
    for command in missing[:SHOWN]:
        console.print(Text(f"  {command}"), soft_wrap=True)  # one line, so that it can be copied
    if len(missing) > SHOWN:
        console.print(f"  and {len(missing) - SHOWN} others")
    for problem in (*grid.problems, *grid.remarks):
        console.print(Text(problem, style="yellow"), soft_wrap=True)


def _mean(entry: TableCell) -> str:
    return "--" if entry.reproduced is None else entry.number(entry.reproduced.mean)


def _half_width(entry: TableCell) -> str:
    half = None if entry.reproduced is None else entry.reproduced.half_width
    return "" if half is None else f"±{entry.number(half)}"


def _difference(entry: TableCell) -> str:
    return entry.number(entry.difference, sign="+")


def _verdict(entry: TableCell) -> str:
    return "" if entry.verdict is None else entry.verdict.word


# The lines under a row's reported values: a label, and what each column shows.
_WIDE: _Lines = {"  reproduced": str, "  difference": _difference, "  verdict": _verdict}
_NARROW: _Lines = {
    "  reproduced": _mean,
    "  95 % interval": _half_width,
    "  n": lambda entry: entry.count,
    "  difference": _difference,
    "  verdict": _verdict,
}


def _reported(entry: TableCell) -> str:
    return entry.printed


def _style(entry: TableCell) -> str:
    return "bold" if entry.best else "underline" if entry.second else ""


def _label_width(grid: Grid, lines: _Lines) -> int:
    return max(map(cell_len, [*lines, *map(_label, grid.rows)]))


def _label(row: TableRow) -> str:
    return row.label if row.method is not None else f"{row.label} {_ABSENT}"


def _widths(grid: Grid, lines: _Lines, columns: Sequence[int]) -> list[int]:
    """Return the widths of columns side by side, wide enough for their groups' titles."""
    widths = []
    for index in columns:
        entries = [entries[index] for entries in grid.lines]
        shown = [show(entry) for entry in entries for show in (_reported, *lines.values())]
        widths.append(max(map(cell_len, [grid.columns[index].column.header, *shown])))
    for group, members in _groups(grid, columns):
        lack = cell_len(group) - sum(widths[each] + 1 for each in members) + 1
        for each in members:
            widths[each] += max(0, math.ceil(lack / len(members)))
    return widths


def _groups(grid: Grid, columns: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Return the titles of neighbours that share one, and where in `columns` these are."""
    titles = [grid.columns[index].column.group or "" for index in columns]
    return [
        (key, list(members)) for key, members in groupby(range(len(titles)), titles.__getitem__)
    ]


def _fits(grid: Grid, lines: _Lines, columns: Sequence[int], width: int) -> bool:
    widths = _widths(grid, lines, columns)
    return _label_width(grid, lines) + sum(each + 1 for each in widths) <= width


def _panels(grid: Grid, lines: _Lines, width: int) -> list[list[int]]:
    """Return the columns that stand side by side; what does not fit goes beneath."""
    panels: list[list[int]] = [[]]
    for index in range(len(grid.columns)):
        if panels[-1] and not _fits(grid, lines, [*panels[-1], index], width):
            panels.append([])
        panels[-1].append(index)
    return panels


def _group_line(grid: Grid, lines: _Lines, columns: list[int]) -> Text:
    widths = _widths(grid, lines, columns)
    text = " " * _label_width(grid, lines)
    for group, members in _groups(grid, columns):
        text += " " + group.center(sum(widths[each] + 1 for each in members) - 1)
    return Text(text, style="bold", no_wrap=True)


def _table(grid: Grid, lines: _Lines, columns: list[int]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column(width=_label_width(grid, lines), overflow="fold")
    for index, width in zip(columns, _widths(grid, lines, columns), strict=True):
        header = Text(grid.columns[index].column.header)
        table.add_column(header, width=width, justify="right", no_wrap=True)
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        shown = [entries[index] for index in columns]
        style = "" if row.method else "bright_black"
        label = Text(_label(row), style=style)
        if grid.table.reported:
            reported = [Text(_reported(entry), style="bright_black") for entry in shown]
            table.add_row(label, *reported)
        elif all(entry.reproduced is None for entry in shown):
            table.add_row(label)
        if all(entry.reproduced is None for entry in shown):
            continue
        for index, (name, show) in enumerate(lines.items()):
            texts = [Text(show(entry), style=_style(entry)) for entry in shown]
            if any(texts):  # without reported values the first line is the row's own
                table.add_row(name if index or grid.table.reported else label, *texts)
    return table
