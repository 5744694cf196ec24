"""What `ltbench evaluate` finds: rows on standard output, predictions as files."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.cli.views.rows import Row, print_rows

if TYPE_CHECKING:
    from ltbench.runs.artifacts import Logits
    from ltbench.runs.record import Record


class Format(StrEnum):
    """What is written to standard output instead of the means."""

    CSV = "csv"
    JSON = "json"


def write_rows(rows: list[dict[str, Any]], format_: Format | None) -> None:
    """Write every row as CSV or JSON, or print means over seeds."""
    if format_ is Format.JSON:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif format_ is Format.CSV:
        from ltbench.runs.files import csv_text

        sys.stdout.write(csv_text([rows[0], *(row.values() for row in rows)]))
    else:
        _show(rows)


_PLACE = ("dataset", "network", "protocol")
_WAY = ("method", "post_hoc", "test_prior", "many_above", "few_below")
_MEANS = {"many": 1, "medium": 1, "few": 1, "calibration_error": 1, "log_loss": 3,
          "temperature": 2}  # fmt: skip
_HEADS = {
    "post_hoc": "post-hoc", "test_prior": "test prior", "many_above": "many >",
    "few_below": "few <", "calibration_error": "ECE", "log_loss": "log loss", "temperature": "T",
}  # fmt: skip


def _show(rows: list[dict[str, Any]]) -> None:
    """Print means over seeds, a table for each data set, network and protocol."""
    varying = ["method", *(key for key in _WAY[1:] if len({row[key] for row in rows}) > 1)]
    measured = [key for key in _MEANS if any(row[key] is not None for row in rows)]
    places: dict[tuple[Any, ...], dict[tuple[Any, ...], list[dict[str, Any]]]] = {}
    for row in rows:
        ways = places.setdefault(tuple(row[key] for key in _PLACE), {})
        ways.setdefault(tuple(row[key] for key in _WAY), []).append(row)
    for place, ways in places.items():
        lines = [_line(members, varying, measured) for members in ways.values()]
        print_rows(lines, title=f"{place[0]}, {place[1]}, protocol {place[2]}")
    first = rows[0]
    said = [
        f"{_HEADS[key]} {first[key]}" for key in ("test_prior", "many_above", "few_below")
        if key not in varying
    ]  # fmt: skip
    said.append(f"{first['bins']} bins")
    fitted = sorted({row["fitted_on"] for row in rows} - {None})
    said += [f"T fitted on {', '.join(fitted)}"] * bool(fitted)
    print(f"Means over seeds from stored logits, last epoch, 95 % t-interval; {', '.join(said)}.")


def _line(members: list[dict[str, Any]], varying: list[str], measured: list[str]) -> Row:
    from ltbench.statistics.estimates import mean_interval

    first = members[0]
    line: Row = {_HEADS.get(key, key): first[key] for key in varying}
    line |= {"n": len(members), "top-1": mean_interval([row["top1"] for row in members])}
    for key in measured:
        values = [row[key] for row in members if row[key] is not None]
        mean = f"{sum(values) / len(values):.{_MEANS[key]}f}" if values else ""
        line[_HEADS.get(key, key)] = mean
    return line


def write_predictions(folder: Path, record: "Record", logits: "Logits") -> None:
    """Write what one run predicts, by class and by image."""
    from ltbench.analysis.predictions import by_class, by_image, confusion, file_name
    from ltbench.runs.files import write_file

    tables = {
        "classes": by_class(record, confusion(logits)), "predictions": by_image(logits)
    }  # fmt: skip
    for name, table in tables.items():
        text = table.to_csv(index=False, float_format="%.4f", lineterminator="\n")
        path = folder / f"{file_name(record)}_seed{record.seed}_{name}.csv"
        write_file(path, lambda file, text=text: file.write(text.encode()), "--confusion")  # type: ignore[misc]


def draw_confusion(folder: Path, predicted: dict[str, list[tuple["Record", Any]]]) -> int:
    """Draw the mean confusion of each method, its counts over all seeds beside; count the files."""
    import pandas as pd

    from ltbench.figures import confusion
    from ltbench.figures.style import save, style

    with style():
        for name, found in predicted.items():
            records, matrices = zip(*found, strict=True)
            counts = pd.DataFrame(sum(matrices)).rename_axis("class")
            data = counts.to_csv(lineterminator="\n")
            save(confusion.draw_confusion(records, matrices), data, f"{name}_confusion", folder)
    return sum(4 + 2 * len(found) for found in predicted.values())
