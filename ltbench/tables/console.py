"""A grid in the terminal: reported values, and beneath them what the records give."""

from collections import Counter
from collections.abc import Callable
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.tables.grid import Entry, Grid
from ltbench.tables.missing import commands, implemented, unavailable

_SHOWN = 6  # commands; more of them push the table off the screen
_Show = Callable[[Entry], str]


def show(grid: Grid, console: Console) -> None:
    """Print the grid, laid out for the console's width, and what it lacks."""
    lines = _WIDE if _fits(grid, _WIDE, console.width) else _NARROW
    console.print(Text(grid.table.definition.title, style="bold"))
    for columns in _panels(grid, lines, console.width):
        console.print("", _group_line(grid, lines, columns), _table(grid, lines, columns), sep="\n")
    console.print()
    console.print(Text(f"First line of a row: reported. {grid.caption}"))
    for note in grid.table.definition.notes:
        console.print(Text(f"Note: {note}"))
    console.print()
    _show_missing(grid, console)


def _show_missing(grid: Grid, console: Console) -> None:
    counts = Counter(entry.status for entries in grid.lines for entry in entries)
    cells = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
    console.print(Text(f"Cells: {cells}."))
    methods = implemented()
    later = unavailable(grid, methods)
    if later:
        console.print(Text(f"Methods that this version does not have: {', '.join(later)}."))
    missing = commands(grid, methods)
    if missing:
        console.print("Missing cells are filled by (finished runs are skipped):")
    for command in missing[:_SHOWN]:
        console.print(Text(f"  {command}"), soft_wrap=True)  # one line, so that it can be copied
    if len(missing) > _SHOWN:
        console.print(f"  and {len(missing) - _SHOWN} more: see ltbench status")
    for problem in grid.problems:
        console.print(Text(problem, style="yellow"), soft_wrap=True)


def _mean(entry: Entry) -> str:
    return "--" if entry.reproduced is None else f"{entry.reproduced.mean:z.1f}"


def _half_width(entry: Entry) -> str:
    estimate = entry.reproduced
    return "" if estimate is None or estimate.half_width is None else f"±{estimate.half_width:.1f}"


def _difference(entry: Entry) -> str:
    return "" if entry.difference is None else f"{entry.difference:+z.1f}"


# The lines under a row's reported values: a label, and what each column shows.
_WIDE: dict[str, _Show] = {"  reproduced": str, "  difference": _difference}
_NARROW: dict[str, _Show] = {
    "  reproduced": _mean,
    "  95 % interval": _half_width,
    "  n": lambda entry: entry.count,
    "  difference": _difference,
}


def _reported(entry: Entry) -> str:
    return "" if entry.reported is None else f"{entry.reported:.1f}"


def _label_width(grid: Grid, lines: dict[str, _Show]) -> int:
    return max(map(cell_len, [*lines, *(row.label for row in grid.rows)]))


def _widths(grid: Grid, lines: dict[str, _Show]) -> list[int]:
    """Return each column's width, its group's title included."""
    shows = [_reported, *lines.values()]
    widths = [
        max(
            cell_len(head.column.header), *(len(show(entry)) for entry in entries for show in shows)
        )
        for head, entries in zip(grid.heads, zip(*grid.lines, strict=True), strict=True)
    ]
    for group, members in groupby(range(len(widths)), lambda place: grid.heads[place].column.group):
        places = list(members)
        lack = cell_len(group or "") - sum(widths[place] + 1 for place in places) + 1
        for place in places:
            widths[place] += max(0, -(-lack // len(places)))
    return widths


def _fits(grid: Grid, lines: dict[str, _Show], width: int) -> bool:
    return _label_width(grid, lines) + sum(each + 1 for each in _widths(grid, lines)) <= width


def _panels(grid: Grid, lines: dict[str, _Show], width: int) -> list[list[int]]:
    """Return the columns that stand side by side; what does not fit goes beneath."""
    panels: list[list[int]] = [[]]
    room = width - _label_width(grid, lines)
    left = room
    for place, each in enumerate(_widths(grid, lines)):
        if each + 1 > left and panels[-1]:
            panels.append([])
            left = room
        panels[-1].append(place)
        left -= each + 1
    return panels


def _group_line(grid: Grid, lines: dict[str, _Show], columns: list[int]) -> Text:
    widths = _widths(grid, lines)
    text = " " * _label_width(grid, lines)
    for group, members in groupby(columns, lambda place: grid.heads[place].column.group):
        text += " " + (group or "").center(sum(widths[place] + 1 for place in members) - 1)
    return Text(text, style="bold", no_wrap=True)


def _table(grid: Grid, lines: dict[str, _Show], columns: list[int]) -> Table:
    widths = _widths(grid, lines)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=0)
    table.add_column(width=_label_width(grid, lines), overflow="fold")
    for place in columns:
        header = Text(grid.heads[place].column.header)
        table.add_column(header, width=widths[place], justify="right", no_wrap=True)
    for row, entries in zip(grid.rows, grid.lines, strict=True):
        shown = [entries[place] for place in columns]
        style = "" if row.method else "bright_black"
        reported = [Text(_reported(entry), style="bright_black") for entry in shown]
        table.add_row(Text(row.label, style=style), *reported)
        if all(entry.reproduced is None for entry in shown):
            continue
        for label, show in lines.items():
            texts = [Text(show(entry), style="bold" if entry.best else "") for entry in shown]
            if any(texts):
                table.add_row(label, *texts)
    return table
