"""The ledger as CSV and as JSON. Pure functions of the ledger."""

import json
from typing import Any

from ltbench.runs.files import csv_text
from ltbench.statistics.verdict import VerdictWord
from ltbench.tables.cells import MARK
from ltbench.tables.ledger import Ledger
from ltbench.tables.ledger_row import LedgerRow

WORDS: tuple[VerdictWord, ...] = (
    "holds", "differs", "undecided", "proxy", "not run", "cannot run",
)  # fmt: skip
SAME_CLASSES = "on the same classes"
CAPTION = (
    "95 % t-intervals over seeds, of judged values by the deviation that their column shares; last "
    "epoch unless another was asked for. Only the protocol `paper`, in either precision, confirms "
    "or contradicts, on the seeds that a table names, all of them; the rule and its error rates "
    "are in docs/verdicts.md."
)


def as_csv(ledger: Ledger) -> str:
    """Return one line for each cell, each claim, and each other reading of a claim."""
    rows = [fields(line) for line in (*ledger.cells, *ledger.claims, *ledger.readings)]
    return csv_text([*rows[:1], *(row.values() for row in rows)])


def as_json(ledger: Ledger) -> str:
    """Return cells, claims, readings and problems; numbers as in the CSV file."""
    content = {
        "cells": [fields(line) for line in ledger.cells],
        "claims": [fields(line) for line in ledger.claims],
        "readings": [fields(line) for line in ledger.readings],
        "problems": list(ledger.problems),
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def fields(line: LedgerRow) -> dict[str, Any]:
    """Return a line by field; four decimals, for more differ between machines."""
    estimate, compared = line.reproduced, line.comparison
    better, low, high = line.superiority or (None, None, None)
    return {
        "kind": line.kind, "paper": line.paper, "table": line.table, "row": line.row,
        "column": line.column, "dataset": line.dataset, "network": line.network,
        "metric": line.metric, "reported": round(line.reported, 4),
        "specification": line.specification, "over": line.over, "tier": line.tier,
        "protocol": line.protocol, "select": str(line.select), "n": len(line.seeds),
        "seeds": " ".join(map(str, line.seeds)),
        "mean": _rounded(estimate.mean if estimate else None),
        "ci95": _rounded(estimate.half_width if estimate else None),
        "difference": _rounded(line.difference), "tolerance": _rounded(line.tolerance),
        "deviation": _rounded(compared.deviation if compared and compared.judged else None),
        "freedom": compared.freedom if compared and compared.judged else None,
        "p_differs": _rounded(line.p_differs), "p_holm": _rounded(line.p_holm),
        "detectable": _rounded(line.detectable), "p_gain": _rounded(line.p_gain),
        "p_gain_holm": _rounded(line.p_gain_holm), "p_sign_flip": _rounded(line.p_flip),
        "p_better": _rounded(better), "p_better_low": _rounded(low),
        "p_better_high": _rounded(high), "verdict": line.verdict.word,
        "missing_seeds": line.verdict.missing or None, "enough_seeds": line.verdict.enough,
        "thresholds": _listed(line.thresholds),
        "over_thresholds": _listed(line.over_thresholds),
        "reason": line.reason, "reading": line.reading or None,
        "other_readings": line.other_readings or None,
        "same_classes": _rounded(line.same_classes.mean if line.same_classes else None),
        "same_classes_ci95": _rounded(
            line.same_classes.half_width if line.same_classes else None
        ),
    }  # fmt: skip


def row_name(line: LedgerRow) -> str:
    """Return a row's words, with those of the reading where it is another than our default."""
    return f"{line.row}, read as: {line.reading}" if line.reading else line.row


def reproduced(line: LedgerRow) -> str:
    """Return a line's mean with its interval, and the mark of a transductive method behind it."""
    if line.reproduced is None:
        return ""
    text = line.reproduced.text(line.decimals)
    return f"{text} {MARK}" if line.transductive else text


def signed(text: str) -> str:
    """Return a gain's text with its sign, which a negative one has already."""
    return f"+{text}" if text and not text.startswith("-") else text


def _listed(thresholds: tuple[int, int] | None) -> str | None:
    return None if thresholds is None else ",".join(map(str, thresholds))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4) + 0.0  # no -0.0
