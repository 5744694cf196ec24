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
    ranks = found.ranks
    headers = ["rank"] if ranks is not None else []
    for header in (*headers, *(dataset for dataset, _ in found.settings)):
        table.add_column(header, justify="right", overflow="fold")
    for method in found.order:
        rank = [f"{ranks.ranks[method]:.1f}"] if ranks is not None else []
        table.add_row(Text(method), *rank, *(f"{mean:.1f}" for mean in found.means[method]))
    console.print(table, Text(found.caption, style="dim"), sep="\n")
    if found.left_out:
        console.print(Text(f"Not on all of these data sets: {', '.join(found.left_out)}."))
    if found.others:
        others = ", ".join(f"{dataset} ({network})" for dataset, network in found.others)
        console.print(Text(f"With too few of the same methods: {others}."))
