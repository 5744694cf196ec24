"""The ledger in the terminal."""

from collections import Counter
from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.errors import counted
from ltbench.tables.ledger import Ledger, LedgerRow
from ltbench.tables.write.ledger import CAPTION, WORDS, reproduced

STYLES = {"holds": "green", "differs": "red", "undecided": "yellow"}


def print_ledger(ledger: Ledger, console: Console) -> None:
    """Print how many cells of each table hold, then what was run, then the claims."""
    cells, claims = len(ledger.cells), len(ledger.claims)
    title = f"{counted(cells, 'reported cell')} and {counted(claims, 'claim')} about gains"
    console.print(Text(title, style="bold"), _summary(ledger), sep="\n")
    run = [line for line in ledger.cells if line.reproduced is not None]
    if run:
        console.print("", Text("Cells with records", style="bold"), _cells(run), sep="\n")
    console.print("", Text("Claims about gains, paired by seed", style="bold"), sep="\n")
    told = [line for line in ledger.claims if line.reproduced is not None]
    if told:
        console.print(_claims(told))
    if silent := claims - len(told):
        console.print(
            f"{counted(silent, 'claim')} without runs of both methods: --format csv names them."
        )
    console.print("", Text(CAPTION, style="dim"), sep="\n")
    console.print("Missing cells and the commands that fill them: ltbench table NAME.")


def _summary(ledger: Ledger) -> Table:
    lines_of: dict[tuple[str, str], list[LedgerRow]] = {}
    for line in ledger.cells:
        lines_of.setdefault((line.paper, line.table), []).append(line)
    lines_of |= {("all", "claims"): list(ledger.claims)}
    every = Counter(line.verdict.word for line in (*ledger.cells, *ledger.claims))
    words = [word for word in WORDS if every[word]]
    table = _table("paper", "table", "reported", *words, left=2)
    for (paper, name), lines in lines_of.items():
        counts = Counter(line.verdict.word for line in lines)
        shown = [str(counts[word]) if counts[word] else "" for word in words]
        table.add_row(Text(paper), Text(name), str(len(lines)), *shown)
    return table


def _cells(lines: Iterable[LedgerRow]) -> Table:
    table = _table("table", "row", "column", "reported", "reproduced", "n", "verdict", left=3)
    for line in lines:
        texts = (Text(line.table), Text(line.row), Text(line.column))
        reported = f"{line.reported:.{line.decimals}f}"
        table.add_row(*texts, reported, reproduced(line), str(len(line.seeds)), _verdict(line))
    return table


def _claims(lines: Iterable[LedgerRow]) -> Table:
    table = _table("claim", "gain", "reproduced", "n", "verdict", left=1)
    for line in lines:
        gain = f"{line.reported:+.{line.decimals}f}"
        text = reproduced(line)
        text = f"+{text}" if text and not text.startswith("-") else text
        table.add_row(Text(line.row), gain, text, str(len(line.seeds) or ""), _verdict(line))
    return table


def _verdict(line: LedgerRow) -> Text:
    words = f"proxy ({line.protocol})" if line.tier == "proxy" else str(line.verdict)
    reason = f": {line.reason}" if line.reason else ""
    return Text(words + reason, style=STYLES.get(line.verdict.word, "bright_black"))


def _table(*headers: str, left: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for index, header in enumerate(headers):
        text = index < left or header == "verdict"
        table.add_column(header, justify="left" if text else "right", overflow="fold")
    return table
