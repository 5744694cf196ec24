"""Rows as a table in the terminal, and the formats that replace it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.errors import UsageError

Row = dict[str, Any]


class Format(StrEnum):
    """What is written to standard output instead of what the terminal shows."""

    CSV = "csv"
    JSON = "json"


def size(count: int) -> str:
    """Return bytes in decimal units: `812 B`, `3.4 MB`, `1.2 GB`."""
    number, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"


def print_rows(
    rows: list[Row],
    title: str | None = None,
    *,
    wrap: str | None = None,
    cut: str | None = None,
    leave_out: Sequence[str] = (),
) -> bool:
    """Print rows as a table, one column a key, within the terminal's width.

    The text of column `wrap` is broken between words, that of `cut` ends where the line does.
    Where the others do not fit, columns of `leave_out` go, the first first, and are named below.
    Returns whether a text was cut.
    """
    if not rows:
        raise UsageError("there is nothing to show here.")
    console = Console(highlight=False, markup=False)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    widths = {column: _width(rows, column) for column in columns}
    flowing = wrap or cut
    least = widths | ({flowing: min(widths[flowing], LEAST)} if flowing in widths else {})
    gone = []
    for column in leave_out:
        if column in least and sum(least.values()) + _GAP * (len(least) - 1) > console.width:
            gone.append(column)
            del least[column]
    if flowing in least:
        others = sum(width + _GAP for column, width in least.items() if column != flowing)
        least[flowing] = max(min(widths[flowing], console.width - others), least[flowing])
    narrow = sum(least.values()) + _GAP * (len(least) - 1) > console.width
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.padding = (0, _GAP, 0, 0)
    for column, width in least.items():
        is_cut = column == cut and not narrow
        table.add_column(
            column, width=None if narrow else width, no_wrap=is_cut,
            overflow="ellipsis" if is_cut else "fold",
        )  # fmt: skip
    for row in rows:
        table.add_row(*(_text(row, column) for column in least))
    if title is not None:
        console.print(Text(title, style="italic"))
    console.print(table, "")
    if gone:
        print(f"No room for {', '.join(gone)}; a wider terminal and --json have them.\n")
    return cut in least and not narrow and least[cut] < widths[cut]


LEAST = 24  # characters below which a column of words is not narrowed
_GAP = 2


def _width(rows: list[Row], column: str) -> int:
    return max([cell_len(column), *(cell_len(_text(row, column)) for row in rows)])


def _text(row: Row, column: str) -> str:
    return str(row.get(column, ""))
