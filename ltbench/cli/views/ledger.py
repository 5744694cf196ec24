"""The ledger in the terminal."""

from collections import Counter
from collections.abc import Callable, Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.errors import counted
from ltbench.tables.ledger import Ledger, with_readings
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.reported import printed
from ltbench.tables.write.ledger import CAPTION, SAME_CLASSES, WORDS, reproduced, signed

STYLES = {"holds": "green", "differs": "red", "undecided": "yellow"}


_NAME = len("CIFAR-100-LT")  # which is not broken
_WIDE = 10_000  # columns of a terminal in which nothing is broken


def print_ledger(ledger: Ledger, console: Console) -> None:
    """Print how many cells of each table hold, then what was run, then the claims."""
    cells, claims = len(ledger.cells), len(ledger.claims)
    title = f"{counted(cells, 'reported cell')} and {counted(claims, 'claim')} about gains"
    console.print(Text(title, style="bold"), _summary(ledger), sep="\n")
    run = [line for line in ledger.cells if line.reproduced is not None]
    if run:
        console.print("", Text("Cells with records", style="bold"), sep="\n")
        _print_lines(_cells, run, console)
    console.print("", Text("Claims about gains, paired by seed", style="bold"), sep="\n")
    run = [line for line in ledger.claims if line.reproduced is not None]
    shown = [line for line in with_readings(ledger) if line.reproduced or line.other_readings]
    if shown:
        _print_lines(_claims, shown, console)
    if others := claims - len(run):
        console.print(
            f"{counted(others, 'claim')} without runs of both methods: --format csv names them."
        )
    if others := sum(line.reproduced is None for line in ledger.readings):
        console.print(
            f"{counted(others, 'other reading')} of claims without runs: --format csv names them."
        )
    console.print("", Text(CAPTION, style="dim"), sep="\n")
    console.print("Missing cells and the commands that fill them: ltbench table NAME.")


def _summary(ledger: Ledger) -> Table:
    """Return the counts of verdicts by table, below each paper's name, and last of the claims."""
    lines_of: dict[str, dict[str, list[LedgerRow]]] = {}
    for line in ledger.cells:
        lines_of.setdefault(line.paper, {}).setdefault(line.table, []).append(line)
    lines_of["all papers"] = {"claims": list(ledger.claims)}
    every = Counter(line.verdict.word for line in (*ledger.cells, *ledger.claims))
    words = [word for word in WORDS if every[word]]
    table = _table("table", "all", *words, left=1)
    for paper, tables in lines_of.items():
        table.add_row(Text(paper))
        for name, lines in tables.items():
            counts = Counter(line.verdict.word for line in lines)
            shown = [str(counts[word]) if counts[word] else "" for word in words]
            table.add_row(Text(f"  {name}"), str(len(lines)), *shown)
    return table


def _print_lines(
    make: Callable[[Iterable[LedgerRow], bool], Table], lines: list[LedgerRow], console: Console
) -> None:
    """Print lines with whole verdicts, or with short ones where those would be broken."""
    table, wide = make(lines, True), console.options.update(max_width=_WIDE)
    if console.measure(table, options=wide).maximum <= console.width:
        console.print(table)
        return
    console.print(make(lines, False))
    reasons = dict.fromkeys(f"{each.verdict.word}: {each.reason}" for each in lines if each.reason)
    if any(each.verdict.enough for each in lines):
        reasons["undecided (N): N seeds in all might decide"] = None
    readings = [each.row for each in lines if each.kind == "cell" and each.other_readings]
    if readings:
        reasons[f"by our default reading: {', '.join(dict.fromkeys(readings))}"] = None
    for reason in reasons:
        console.print(Text(reason, style="dim"))


def _cells(lines: Iterable[LedgerRow], whole: bool) -> Table:
    table = _table("table", "row", "column", "reported", "reproduced", "n", "verdict", left=3)
    for line in lines:
        texts = (Text(line.table), Text(line.row), Text(line.column))
        reported = printed(line.reported, line.decimals)
        table.add_row(*texts, reported, reproduced(line), *_seeds_and_verdict(line, whole))
    return table


def _claims(lines: Iterable[LedgerRow], whole: bool) -> Table:
    table = _table("claim", "gain", "reproduced", "n", "verdict", left=1)
    for line in lines:
        gain = f"{line.reported:+.{line.decimals}f}"
        text = signed(reproduced(line))
        name = f"  read as: {line.reading}" if line.reading else line.row
        table.add_row(Text(name), gain, text, *_seeds_and_verdict(line, whole))
        if line.same_classes:
            regrouped = signed(line.same_classes.text(line.decimals))
            table.add_row(Text(f"  {SAME_CLASSES}"), "", regrouped, str(line.same_classes.n), "")
    return table


def _why(line: LedgerRow) -> str:
    """Return what is said behind a verdict; other readings of a claim have lines of their own."""
    return line.reason or (line.other_readings if line.kind == "cell" else "")


def _seeds_and_verdict(line: LedgerRow, whole: bool) -> tuple[str, Text]:
    """Return n and the verdict; a short one is the word alone, and n says `2 of 3` instead."""
    n, verdict = len(line.seeds), line.verdict
    style = STYLES.get(verdict.word, "bright_black")
    proxy = f"proxy ({line.protocol})"
    if whole:
        words = proxy if line.tier == "proxy" else str(verdict)
        return str(n), Text(": ".join(filter(None, (words, _why(line)))), style=style)
    count = f"{n} of {n + verdict.missing}" if verdict.missing else str(n)
    if line.tier == "proxy":
        return count, Text(proxy, style=style)
    enough = f" ({verdict.enough})" if verdict.enough else ""
    return count, Text(f"{verdict.word}{enough}", style=style)


def _table(*headers: str, left: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, header in enumerate(headers):
        text = index < left or header == "verdict"
        table.add_column(
            header, justify="left" if text else "right", overflow="fold", no_wrap=header == "n",
            min_width=_NAME if header == "column" else None,
        )  # fmt: skip
    return table
