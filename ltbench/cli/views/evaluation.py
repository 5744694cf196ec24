"""What `ltbench evaluate` finds: rows on standard output, predictions as files."""

import json
import sys
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ltbench.cli.views.rows import Format, Row, print_rows
from ltbench.runs.store import Cell

if TYPE_CHECKING:
    from ltbench.analysis.posthoc import Variant
    from ltbench.runs.record import Record


def write_rows(
    rows: list[dict[str, Any]], format_: Format | None, refused: Collection[Cell] = ()
) -> None:
    """Write every row as CSV or JSON, or print means over seeds, of no refused cell."""
    if format_ is Format.JSON:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif format_ is Format.CSV:
        from ltbench.runs.files import csv_text

        sys.stdout.write(csv_text([rows[0], *(row.values() for row in rows)]))
    elif kept := [row for row in rows if _cell_of(row) not in refused]:
        _show(kept)


def _cell_of(row: dict[str, Any]) -> Cell:
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
    said = [
        f"{_HEADERS[key]} {first[key]}" for key in ("test_prior", "many_above", "few_below")
        if key not in varying
    ]  # fmt: skip
    said.append(f"{first['bins']} bins")
    fitted = sorted({row["fitted_on"] for row in rows} - {None})
    said += [f"T fitted on {', '.join(fitted)}"] * bool(fitted)
    print(f"Means over seeds from stored logits, last epoch, 95 % t-interval; {', '.join(said)}.")


def _line(members: list[dict[str, Any]], varying: list[str], measured: list[str]) -> Row:
    from ltbench.statistics.estimates import mean_interval

    first = members[0]
    line: Row = {_HEADERS.get(key, key): first[key] for key in varying}
    line |= {"n": len(members), "top-1": mean_interval([row["top1"] for row in members])}
    for key in measured:
        values = [row[key] for row in members if row[key] is not None]
        mean = f"{sum(values) / len(values):.{_MEANS[key]}f}" if values else ""
        line[_HEADERS.get(key, key)] = mean
    return line


@dataclass
class Confusions:
    """The files of predictions: each run's when it is added, each method's at the end."""

    folder: Path
    thresholds: tuple[int, int] | None  # many above, few below; None: each record's
    bins: int  # of confidence
    files: int = 0
    _found: dict[tuple[Cell, str], list[tuple["Record", Any, Any]]] = field(default_factory=dict)

    def add(self, record: "Record", variant: "Variant", labels: Any) -> None:
        """Write what one run predicts after a post-hoc part, by class and by image."""
        from ltbench.analysis.predictions import (
            by_class,
            by_confidence,
            by_image,
            confusion,
            file_name,
        )
        from ltbench.runs.files import write_file

        counts, post_hoc = confusion(variant.logits, labels), variant.post_hoc
        tables = {
            "classes": by_class(record, counts, self.thresholds),
            "predictions": by_image(variant.logits, labels),
        }
        for name, table in tables.items():
            text = table.to_csv(index=False, float_format="%.4f", lineterminator="\n")
            path = self.folder / f"{file_name(record, post_hoc)}_seed{record.seed}_{name}.csv"
            write_file(path, lambda file, text=text: file.write(text.encode()), "--confusion")  # type: ignore[misc]
            self.files += 1
        cell = replace(Cell.of(record), seed=0)
        binned = by_confidence(variant.logits, labels, self.bins)
        self._found.setdefault((cell, post_hoc), []).append((record, counts, binned))

    def draw(self, refused: Collection[Cell]) -> None:
        """Draw each method's mean confusion and its reliability, the counts over all seeds beside.

        None of the cells whose seeds may have no mean.
        """
        import pandas as pd

        from ltbench.analysis.predictions import file_name
        from ltbench.figures.confusion import draw_confusion
        from ltbench.figures.reliability import as_csv, draw_reliability
        from ltbench.figures.style import save, style

        with style():
            for (cell, post_hoc), found in self._found.items():
                if cell not in refused:
                    records, matrices, binned = zip(*found, strict=True)
                    counts = pd.DataFrame(sum(matrices)).rename_axis("class")
                    drawn = draw_confusion(records, matrices, post_hoc, self.thresholds)
                    name = file_name(records[0], post_hoc)
                    data = counts.to_csv(lineterminator="\n")
                    written = save(drawn, data, f"{name}_confusion", self.folder)
                    drawn, data = draw_reliability(records, binned, post_hoc), as_csv(binned)
                    written += save(drawn, data, f"{name}_reliability", self.folder)
                    self.files += len(written)
