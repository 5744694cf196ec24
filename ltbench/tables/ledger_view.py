"""The ledger as CSV, as JSON, and in the terminal. Pure functions of the ledger."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ltbench.tables.ledger import Ledger, Line
from ltbench.tables.verdict import Word

WORDS: tuple[Word, ...] = ("holds", "differs", "undecided", "proxy", "not run")
STYLES = {"holds": "green", "differs": "red", "undecided": "yellow"}
CAPTION = (
    "95 % t-intervals over all seeds run; last epoch unless a table says otherwise; the rule and "
    "its error rates are in docs/verdicts.md. Only the unchanged protocol `paper` confirms or "
    "contradicts."
)


def as_csv(ledger: Ledger) -> str:
    """Return one line for each cell and claim."""
    rows = [fields(line) for line in (*ledger.cells, *ledger.claims)]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(ledger: Ledger) -> str:
    """Return cells, claims and problems; numbers as in the CSV file."""
    content = {
        "cells": [fields(line) for line in ledger.cells],
        "claims": [fields(line) for line in ledger.claims],
        "problems": list(ledger.problems),
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def fields(line: Line) -> dict[str, Any]:
    """Return a line by field; four decimals, for more differ between machines."""
    estimate, compared = line.reproduced, line.comparison
    detectable = compared.detectable() if compared and compared.judged else None
    p_value = compared.p_value() if compared and compared.judged else None
    return {
        "kind": line.kind, "paper": line.paper, "table": line.table, "row": line.row,
        "column": line.column, "dataset": line.dataset, "network": line.network,
        "metric": line.metric, "reported": round(line.reported, 4),
        "specification": line.specification, "over": line.over, "tier": line.tier,
        "protocol": line.protocol, "n": len(line.seeds),
        "seeds": " ".join(map(str, line.seeds)),
        "mean": _rounded(estimate.mean if estimate else None),
        "ci95": _rounded(estimate.half_width if estimate else None),
        "difference": _rounded(line.difference), "tolerance": _rounded(line.tolerance),
        "p_differs": _rounded(p_value), "p_holm": _rounded(line.p_holm),
        "detectable": _rounded(detectable), "p_paired": _rounded(line.p_paired),
        "p_sign_flip": _rounded(line.p_flip), "verdict": line.verdict.word,
        "more_seeds": line.verdict.more, "reason": line.reason,
    }  # fmt: skip


def show(ledger: Ledger, console: Console) -> None:
    """Print how many cells of each table hold, then what was run, then the claims."""
    cells, claims = len(ledger.cells), len(ledger.claims)
    title = f"{cells} reported cells and {claims} claims about gains"
    console.print(Text(title, style="bold"), _summary(ledger), sep="\n")
    run = [line for line in ledger.cells if line.reproduced is not None]
    if run:
        console.print("", Text("Cells with records", style="bold"), _cells(run), sep="\n")
    console.print("", Text("Claims about gains, paired by seed", style="bold"), sep="\n")
    console.print(_claims(ledger.claims))
    console.print("", Text(CAPTION, style="dim"), sep="\n")
    console.print("Missing cells and the commands that fill them: ltbench table NAME.")


def _summary(ledger: Ledger) -> Table:
    table = _table("paper", "table", "reported", *WORDS, left=2)
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in ledger.cells:
        groups.setdefault((line.paper, line.table), []).append(line)
    groups |= {("all", "claims"): list(ledger.claims)}
    for (paper, name), lines in groups.items():
        counts = Counter(line.verdict.word for line in lines)
        shown = [str(counts[word]) if counts[word] else "" for word in WORDS]
        table.add_row(Text(paper), Text(name), str(len(lines)), *shown)
    return table


def _cells(lines: Iterable[Line]) -> Table:
    table = _table("table", "row", "column", "reported", "reproduced", "n", "verdict", left=3)
    for line in lines:
        texts = (Text(line.table), Text(line.row), Text(line.column))
        reported = f"{line.reported:.{line.decimals}f}"
        reproduced = line.reproduced.text(line.decimals) if line.reproduced else ""
        table.add_row(*texts, reported, reproduced, str(len(line.seeds)), _verdict(line))
    return table


def _claims(lines: Iterable[Line]) -> Table:
    table = _table("claim", "gain", "reproduced", "n", "verdict", left=1)
    for line in lines:
        gain = f"{line.reported:+.{line.decimals}f}"
        reproduced = line.reproduced.text(line.decimals) if line.reproduced else ""
        if reproduced and not reproduced.startswith("-"):
            reproduced = f"+{reproduced}"
        table.add_row(Text(line.row), gain, reproduced, str(len(line.seeds) or ""), _verdict(line))
    return table


def _verdict(line: Line) -> Text:
    words = f"proxy ({line.protocol})" if line.tier == "proxy" else str(line.verdict)
    reason = f": {line.reason}" if line.reason else ""
    return Text(words + reason, style=STYLES.get(line.verdict.word, "bright_black"))


def _table(*headers: str, left: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, header in enumerate(headers):
        text = place < left or header == "verdict"
        table.add_column(header, justify="left" if text else "right", overflow="fold")
    return table


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0  # no -0.0
