"""What commands share: rows as a table, formats of them, methods and data sets from files."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ltbench.errors import UsageError

Row = dict[str, Any]


class Format(StrEnum):
    """What is written to standard output instead of what the terminal shows."""

    CSV = "csv"
    JSON = "json"


def load_files(paths: list[Path] | None) -> None:
    """Make the methods of `--load` known."""
    from ltbench.api.registry import load_file

    for path in paths or []:
        load_file(path)


def read_files(paths: list[Path] | None) -> None:
    """Make the methods of `--load` known to tables, which need not run them."""
    from ltbench.api.signatures import load_file

    for path in paths or []:
        load_file(path)


def load_data(paths: list[Path] | None, root: Path | None = None) -> list[str]:
    """Make the data sets of `--data` known, and return their names."""
    if not paths:
        return []  # NumPy is not imported for nothing
    from ltbench.data.catalog import register
    from ltbench.data.own import read_own
    from ltbench.data.root import data_root

    infos = [read_own(path, data_root(root)).info for path in paths or []]
    for info in infos:
        register(info)
    return [info.name for info in infos]


def size(count: int) -> str:
    """Return bytes as people say them: `812 B`, `3.4 MB`, `1.2 GB`."""
    number, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"


def print_rows(rows: list[Row], title: str | None = None) -> None:
    """Print rows as a table, one column a key."""
    if not rows:
        raise UsageError("there is nothing to show here.")
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console(highlight=False, markup=False).print(table, "")
