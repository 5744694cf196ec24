"""What analyses say beside accuracy, in the terminal."""

from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.analysis.summary import AnalysedRow
from ltbench.tables.write.analysed import NAMES, cells


def print_analysed(rows: list[AnalysedRow], title: str, caption: str, console: Console) -> None:
    """Print a table for every setting, under a title and above a caption."""
    console.print(Text(title, style="bold"))
    for setting, members in groupby(rows, key=lambda row: row.setting):
        here = list(members)
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
        for name in ("", ""):
            table.add_column(name, overflow="fold")
        for name in (*(NAMES[each] for each in here[0].values), "n"):
            table.add_column(name, justify="right", no_wrap=False)
        for row in here:
            table.add_row(*map(Text, cells(row)))
        console.print("", Text(setting), table, sep="\n")
    console.print("", Text(caption, style="dim"), sep="\n")
