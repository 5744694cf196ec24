"""Rows of analyses as CSV, as Markdown, and as the texts of cells."""

from typing import Any

from ltbench.analysis.summary import FLATNESS, OPEN_SET, AnalysedRow
from ltbench.runs.files import csv_text

NAMES = {
    "lambda_max": "largest eigenvalue", "trace": "trace", "filter_trace": "filter-normalised trace",
    "f_new": "F new", "f_old": "F old", "f_micro": "F micro", "f_never_rejecting": "F0",
    "f_above_never_rejecting": "F - F0", "auroc": "AUROC",
}  # fmt: skip
DECIMALS = {**dict.fromkeys(FLATNESS, 1), **dict.fromkeys(OPEN_SET, 3)}


def as_csv(rows: list[AnalysedRow]) -> str:
    """Return a line for each value; six digits."""
    lines: list[tuple[Any, ...]] = [
        ("setting", "method", "group", "quantity", "value", "ci95", "n", "seeds")
    ]
    for row in rows:
        seeds = " ".join(map(str, row.seeds))
        for name, each in row.values.items():
            half = "" if each.half_width is None else f"{each.half_width:.6g}"
            value = f"{each.mean:.6g}"
            lines.append((row.setting, row.method, row.group, name, value, half, each.n, seeds))
    return csv_text(lines)


def markdown(rows: list[AnalysedRow]) -> str:
    """Return a Markdown table a setting: a row a method and group, a column a quantity."""
    parts: list[str] = []
    for setting in dict.fromkeys(row.setting for row in rows):
        here = [row for row in rows if row.setting == setting]
        names = list(here[0].values)
        heads = ["method", "group", *(NAMES[name] for name in names), "n"]
        lines = [heads, ["---", "---", *["--:"] * (len(names) + 1)], *map(cells, here)]
        parts += [f"{setting}\n", *(f"| {' | '.join(line)} |" for line in lines), ""]
    return "\n".join(parts)


def cells(row: AnalysedRow) -> list[str]:
    """Return a row's texts: method, group, the values with their intervals, n."""
    numbers = [each.text(DECIMALS[name]) for name, each in row.values.items()]
    return [row.method, row.group, *numbers, str(len(row.seeds))]
