"""What trainings log after every epoch, from the curves beside their records."""

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.evaluation.selection import Selection
from ltbench.figures.definition import Curves, Figure
from ltbench.figures.recorded import FigureRecords, records_of
from ltbench.runs.files import csv_text
from ltbench.runs.store import Store
from ltbench.runs.unit import file_of

FIELDS = ("quantity", "method", "seed", "dataset", "network", "protocol", "epoch", "value")
_PLACES = ("epoch", "stage", "seconds")  # columns that are no quantity of a training

Line = tuple[tuple[int, float], ...]  # epoch and value


@dataclass(frozen=True)
class CurveChart:
    """The lines of a figure: by quantity, in its order, then method, then seed."""

    read: FigureRecords
    methods: tuple[str, ...]  # all of the figure's, in its order
    panels: dict[str, dict[str, dict[int, Line]]]


def curve_chart(
    figure: Figure, store: Store, protocol: str | None = None, select: Selection = Selection.LAST
) -> CurveChart:
    """Return a figure's lines; a method that does not log a quantity has none in its panel.

    Raises LtbenchError where nothing logged a quantity, and as `records_of` does.
    """
    definition = figure.definition
    assert isinstance(definition, Curves)
    read = records_of(figure, store, protocol, select)
    logged: dict[str, dict[int, dict[str, Line]]] = {}
    for method, records in read.records.items():
        for seed, record in records.items():
            path = file_of(store, record, "curves")
            if path is not None:
                logged.setdefault(method, {})[seed] = _lines(path)
    panels = {
        quantity: {
            method: own
            for method, seeds in logged.items()
            if (own := {s: found[quantity] for s, found in seeds.items() if found.get(quantity)})
        }
        for quantity in definition.shows
    }
    known = dict.fromkeys(q for seeds in logged.values() for own in seeds.values() for q in own)
    for quantity, panel in panels.items():
        if not panel:
            there = f"there are {', '.join(known)}" if known else "no record has curves beside it"
            raise LtbenchError(f"figure {figure.name}: nothing logged {quantity!r}; {there}.")
    return CurveChart(read, tuple(definition.methods), panels)


def _lines(path: Path) -> dict[str, Line]:
    """Return a file's columns by name, without the epochs at which one says nothing."""
    found: dict[str, list[tuple[int, float]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                for name, text in row.items():
                    value = float(text) if text and name not in _PLACES else math.nan
                    if math.isfinite(value):
                        found.setdefault(name, []).append((int(row["epoch"]), value))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise LtbenchError(f"{path} does not read as curves: {error}; run its cell anew.") from None
    return {name: tuple(line) for name, line in found.items()}


def as_csv(found: CurveChart) -> str:
    """Return one line for each point."""
    return csv_text([FIELDS, *_rows(found)])


def _rows(found: CurveChart) -> Iterator[tuple[Any, ...]]:
    cell = found.read.cell
    for quantity, panel in found.panels.items():
        for method, seeds in panel.items():
            for seed, line in seeds.items():
                for epoch, value in line:
                    where = cell.dataset, cell.network, cell.protocol
                    yield quantity, method, seed, *where, epoch, f"{value:.6g}"
