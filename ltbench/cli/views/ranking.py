"""Ranks of methods, in the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.tables.ranking import Ranking


def print_ranking(found: Ranking, console: Console) -> None:
    """Print the ranking, best first."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("method", overflow="fold")
    for header in ("rank", *(dataset for dataset, _ in found.settings)):
        table.add_column(header, justify="right", overflow="fold")
    for method, rank in sorted(found.ranks.ranks.items(), key=lambda item: item[1]):
        means = (f"{mean:.1f}" for mean in found.means[method])
        table.add_row(Text(method), f"{rank:.1f}", *means)
    console.print(table, Text(found.caption, style="dim"), sep="\n")
    if found.left_out:
        console.print(Text(f"Not on all of these data sets: {', '.join(found.left_out)}."))
