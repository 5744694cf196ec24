"""Methods beside one another, in the terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.tables.comparison import Comparison, cells, headers
from ltbench.tables.relative_cost import MEANING


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print a comparison."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, 1))
    first, *others = headers(comparison)
    table.add_column(first, overflow="fold")
    for header in others:
        table.add_column(header, justify="right", no_wrap=True)
    for line in comparison.lines:
        method, *numbers = cells(line)
        table.add_row(Text(method), *numbers)
    title = f"{comparison.dataset}, {comparison.network}, protocol {comparison.protocol}"
    caption = Text(f"{comparison.caption}{_pairs(comparison)}; {MEANING}.", style="dim")
    console.print(
        Text(title, style="bold"),
        table,
        caption,
        sep="\n",
    )


def _pairs(comparison: Comparison) -> str:
    """Return over how many seeds differences are that do not say it themselves."""
    there = {line.n for line in comparison.lines if line.difference and line.difference.n == line.n}
    if len(there) == 1:
        return f" ({there.pop()})"
    return " (n of the line)" if there else ""
