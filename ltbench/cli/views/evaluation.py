"""What `ltbench evaluate` finds, as means in the terminal or every row on standard output."""

import json
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from rich.console import Console

from ltbench.cli.views.rows import Format, Row, print_rows

if TYPE_CHECKING:
    from ltbench.runs.store import Cell


def write_rows(
    rows: list[dict[str, Any]], format_: Format | None, refused: Collection["Cell"] = ()
) -> None:
    """Write every row as CSV or JSON, or print means over seeds, of no refused cell."""
    if format_ is Format.JSON:
        print(json.dumps(rows, indent=1))
    elif format_ is Format.CSV:
        from ltbench.runs.files import csv_text

        sys.stdout.write(csv_text([rows[0], *(row.values() for row in rows)]))
    elif kept := [row for row in rows if _cell_of(row) not in refused]:
        _show(kept)


def _cell_of(row: dict[str, Any]) -> "Cell":
    from ltbench.runs.store import Cell

    return Cell(row["dataset"], row["protocol"], row["network"], row["method"], 0)


_SETTING = ("dataset", "network", "protocol")
_VARIANT = ("method", "post_hoc", "test_prior", "many_above", "few_below")
_MEANS = {"many": 1, "medium": 1, "few": 1, "calibration_error": 1, "log_loss": 3,
          "temperature": 2}  # fmt: skip
_HEADERS = {
    "post_hoc": "post-hoc", "test_prior": "test prior", "many_above": "many >",
    "few_below": "few <", "calibration_error": "ECE", "log_loss": "log loss", "temperature": "T",
}  # fmt: skip


def _show(rows: list[dict[str, Any]]) -> None:
    """Print means over seeds, a table for each data set, network and protocol."""
    varying = ["method", *(key for key in _VARIANT[1:] if len({row[key] for row in rows}) > 1)]
    measured = [key for key in _MEANS if any(row[key] is not None for row in rows)]
    by_setting: dict[tuple[Any, ...], dict[tuple[Any, ...], list[dict[str, Any]]]] = {}
    for row in rows:
        by_variant = by_setting.setdefault(tuple(row[key] for key in _SETTING), {})
        by_variant.setdefault(tuple(row[key] for key in _VARIANT), []).append(row)
    for setting, by_variant in by_setting.items():
        lines = [_line(members, varying, measured) for members in by_variant.values()]
        print_rows(lines, title=f"{setting[0]}, {setting[1]}, protocol {setting[2]}")
    first = rows[0]
    facts = [
        f"{_HEADERS[key]} {first[key]}" for key in ("test_prior", "many_above", "few_below")
        if key not in varying
    ]  # fmt: skip
    facts.append(f"{first['bins']} bins")
    fitted = sorted({row["fitted_on"] for row in rows} - {None})
    facts += [f"T fitted on {', '.join(fitted)}"] * bool(fitted)
    from ltbench.statistics.estimates import LEAST

    seeds = [len(members) for by_variant in by_setting.values() for members in by_variant.values()]
    interval = ", 95 % t-interval" if max(seeds) >= LEAST else ""
    Console(highlight=False, markup=False).print(
        f"Means over seeds from stored logits, last epoch{interval}; {', '.join(facts)}."
    )


def _line(members: list[dict[str, Any]], varying: list[str], measured: list[str]) -> Row:
    from ltbench.statistics.estimates import mean_interval

    first = members[0]
    line: Row = {_HEADERS.get(key, key): first[key] for key in varying}
    line |= {"n": len(members), "top-1": mean_interval([row["top1"] for row in members])}
    for key in measured:
        values = [row[key] for row in members if row[key] is not None]
        mean = f"{sum(values) / len(values):.{_MEANS[key]}f}" if values else "--"
        line[_HEADERS.get(key, key)] = mean
    return line
