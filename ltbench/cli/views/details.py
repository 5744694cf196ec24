"""The statistics behind a table's cells, in the terminal."""

from itertools import groupby

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.statistics.estimates import Estimate
from ltbench.tables.details import Detail, Details, base

_PAPER = (
    "Against the paper: p of a difference beyond the tolerance, and the same by Holm over the "
    "column."
)
_FIRST = (
    "Against {first}: gain over the pairs of seeds that both have, p of no gain (by blocks, where "
    "the column's methods share one deviation, else paired), the same by Holm over the column, by "
    "flipping signs (at least 2 / 2^n), and P(better): how likely a seed of the row beats the same "
    "seed of the first, with its 95 % interval."
)
_DETECTABLE = (
    "Detectable: the least true difference that so many seeds find in four of five tries, at 5 % "
    "for the whole column."
)
_SPREAD = (
    "Spread: standard deviation over training subsets, and over runs on one subset; the interval "
    "of a mean covers the latter only."
)


def print_details(found: Details, console: Console) -> None:
    """Print one table a column, and what its headings mean."""
    grid = found.grid
    console.print(Text(grid.table.definition.title, style="bold"))
    for _, members in groupby(found.lines, key=lambda line: id(line.resolved)):
        lines = list(members)
        resolved = lines[0].resolved
        title = f"{resolved.column.title}: {resolved.column.metric} on {resolved.column.dataset}"
        console.print("", Text(title, style="bold"), sep="\n")
        if any(line.p_differs is not None for line in lines):
            console.print(_paper(lines))
        console.print(_first(lines))
        if any(line.spread for line in lines):
            console.print(_spread(lines))
    for problem in (*grid.problems, *grid.remarks):
        console.print(Text(problem, style="yellow"), soft_wrap=True)
    if not found.lines:
        console.print("No cell has a record yet; ltbench table NAME says what fills them.")
        return
    console.print("", Text(grid.caption, style="dim"), sep="\n")
    if any(line.p_differs is not None for line in found.lines):
        console.print(Text(_PAPER, style="dim"))
    console.print(Text(f"{_FIRST.format(first=base(grid).label)} {_DETECTABLE}", style="dim"))
    if any(line.spread for line in found.lines):
        console.print(Text(_SPREAD, style="dim"))


def _paper(lines: list[Detail]) -> Table:
    table = _table(
        "", "reported", "reproduced", "difference", "p", "p Holm", "detectable", "verdict"
    )
    for line in lines:
        entry = line.entry
        table.add_row(
            Text(line.row.label), entry.printed, str(entry),
            entry.number(entry.difference, "+"), _p(line.p_differs), _p(line.p_holm),
            entry.number(line.detectable), Text(entry.verdict.word if entry.verdict else ""),
        )  # fmt: skip
    return table


def _first(lines: list[Detail]) -> Table:
    table = _table("", "reproduced", "n", "gain", "pairs", "p", "p Holm", "p sign flip",
                   "P(better)", "detectable")  # fmt: skip
    for line in lines:
        entry, gain = line.entry, line.gain
        estimate = _text(entry.reproduced, entry.decimals)
        cells: list[str | Text] = [Text(line.row.label), estimate, str(len(entry.seeds))]
        if gain is not None:
            sign = "+" if gain.estimate.mean >= 0 else ""
            cells += [
                f"{sign}{_text(gain.estimate, entry.decimals)}", str(gain.estimate.n),
                _p(gain.p_value), _p(gain.p_holm), _p(gain.p_flip), _percent(gain.superiority),
                entry.number(gain.detectable),
            ]  # fmt: skip
        table.add_row(*cells)
    return table


def _spread(lines: list[Detail]) -> Table:
    table = _table("", "spread of subsets", "of runs", "subsets", "runs on each")
    for line in lines:
        if line.spread is not None:
            parts, number = line.spread.components, line.entry.number
            table.add_row(
                Text(line.row.label), number(parts.subset), number(parts.run),
                str(len(line.spread.subsets)), str(len(line.spread.runs)),
            )  # fmt: skip
    return table


def _table(*headers: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for header in headers:
        left = header in ("", "verdict")
        table.add_column(
            header, justify="left" if left else "right", overflow="fold",
            no_wrap=header == "verdict",
        )  # fmt: skip
    return table


def _text(estimate: Estimate | None, decimals: int) -> str:
    return "" if estimate is None else estimate.text(decimals)


def _percent(chance: tuple[float, float, float] | None) -> str:
    if chance is None:
        return ""
    best, low, high = (f"{100 * each:.0f}" for each in chance)
    return f"{best} % [{low}, {high}]"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
