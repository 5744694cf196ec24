"""The statistics behind a table's cells, in the terminal."""

from collections.abc import Iterable
from itertools import groupby

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.statistics.estimates import Estimate
from ltbench.tables.details import Detail, Details, base

_PAPER = (
    "Against the paper: p of a difference beyond the tolerance, and the same by Holm over the "
    "column. Both are of the deviation pooled over the column, as the verdict is; the interval is "
    "of the row's own seeds."
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

_FIRST_COLUMNS = ("", "reproduced", "n", "gain", "pairs", "p", "p Holm", "p sign flip", "P(better)",
                  "detectable")  # fmt: skip
# Where there is no room these go, the first first.
_LEAVE_OUT = ("detectable", "p sign flip", "pairs", "p", "reproduced", "P(better)")
_GAP = 2  # characters between two columns: a padding and what the box has there

_Rows = list[dict[str, str]]


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
            _print(_paper(lines), console)
        _print(_first(lines), console)
        if any(line.spread for line in lines):
            _print(_spread(lines), console)
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


def _paper(lines: list[Detail]) -> _Rows:
    found = []
    for line in lines:
        entry = line.entry
        found.append({
            "": line.row.label, "reported": entry.printed, "reproduced": str(entry),
            "difference": entry.number(entry.difference, "+"), "p": _p(line.p_differs),
            "p Holm": _p(line.p_holm), "detectable": entry.number(line.detectable),
            "verdict": entry.verdict.word if entry.verdict else "",
        })  # fmt: skip
    return found


def _first(lines: list[Detail]) -> _Rows:
    found = []
    for line in lines:
        entry, gain, cells = line.entry, line.gain, dict.fromkeys(_FIRST_COLUMNS, "")
        cells[""], cells["n"] = line.row.label, str(len(entry.seeds))
        cells["reproduced"] = _text(entry.reproduced, entry.decimals)
        if gain is not None:
            sign = "+" if gain.estimate.mean >= 0 else ""
            cells |= {
                "gain": f"{sign}{_text(gain.estimate, entry.decimals)}",
                "pairs": str(gain.estimate.n), "p": _p(gain.p_value), "p Holm": _p(gain.p_holm),
                "p sign flip": _p(gain.p_flip), "P(better)": _percent(gain.superiority),
                "detectable": entry.number(gain.detectable),
            }  # fmt: skip
        found.append(cells)
    return found


def _spread(lines: list[Detail]) -> _Rows:
    found = []
    for line in lines:
        if line.spread is not None:
            parts, number = line.spread.components, line.entry.number
            found.append({
                "": line.row.label, "spread of subsets": number(parts.subset),
                "of runs": number(parts.run), "subsets": str(len(line.spread.subsets)),
                "runs on each": str(len(line.spread.runs)),
            })  # fmt: skip
    return found


def _print(rows: _Rows, console: Console) -> None:
    """Print rows; name the columns for which a terminal has no room. Other outputs have all."""
    least = {header: _width([header, *(row[header] for row in rows)]) for header in rows[0]}
    least[""] = max(_width(row[""].split()) for row in rows)  # labels break between words
    gone = []
    for header in _LEAVE_OUT if console.is_terminal else ():
        if header in least and sum(least.values()) + _GAP * (len(least) - 1) > console.width:
            gone.append(header)
            del least[header]
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    if not console.is_terminal:
        least[""] = _width(row[""] for row in rows)
        table.width = max(console.width, sum(least.values()) + _GAP * len(least))
    for header, width in least.items():
        side = "left" if header in ("", "verdict") else "right"
        table.add_column(header, justify=side, min_width=width, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(Text(row[header]) for header in least))
    console.print(table, crop=False)
    if gone:
        console.print(f"No room for {', '.join(gone)}; a wider terminal or a file has it.")


def _width(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=0)


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
