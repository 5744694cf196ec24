"""What trainings log after every epoch, from the curves beside their records."""

import csv
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ltbench.errors import LtbenchError, counted
from ltbench.figures.definition import Curves, Figure
from ltbench.figures.recorded import FigureRecords, records_of
from ltbench.runs.files import csv_text
from ltbench.runs.store import Store
from ltbench.runs.unit import file_of

FIELDS = (
    "quantity", "method", "seed", "dataset", "network", "protocol", "epoch", "stage", "value",
)  # fmt: skip
_PLACES = ("epoch", "stage", "seconds")  # columns that are no quantity of a training
_LARGEST = 1e30  # beyond it a value is no more drawn than one that is not finite


class CurvePoint(NamedTuple):
    """A value after an epoch of a stage."""

    epoch: int
    stage: str
    value: float


Line = tuple[CurvePoint, ...]
Panel = dict[str, dict[int, Line]]  # by method, then seed


@dataclass(frozen=True)
class CurveChart:
    """The lines of a figure: by quantity, in its order, then method, then seed."""

    read: FigureRecords
    methods: tuple[str, ...]  # all of the figure's, in its order
    panels: dict[str, Panel]  # none of them without a line
    remarks: tuple[str, ...]  # what is not drawn, and why
    titles: dict[str, str]  # of panels, where the figure gives one


def curve_chart(figure: Figure, store: Store, protocol: str | None = None) -> CurveChart:
    """Return a figure's lines; a method that does not log a quantity has none in its panel.

    Raises LtbenchError where nothing logged a quantity though every method has records, where no
    panel is left, and as `records_of` does.
    """
    definition = figure.definition
    assert isinstance(definition, Curves)
    read = records_of(figure, store, protocol)
    panels: dict[str, Panel] = {shown: {} for shown in definition.shows}
    known: dict[str, None] = {}
    without = []
    for method, records in read.records.items():
        for seed, record in records.items():
            path = file_of(store, record, "curves")
            if path is None:
                without.append(f"{method}, seed {seed}")
                continue
            try:
                columns, names = columns_of(path, definition.shows)
            except ValueError as error:
                raise LtbenchError(f"{path} does not read as curves: {error}.") from None
            known |= dict.fromkeys(names)
            for quantity, line in columns.items():
                panels[quantity].setdefault(method, {})[seed] = line
    drawn = {quantity: panel for quantity, panel in panels.items() if panel}
    empty = [quantity for quantity in panels if quantity not in drawn]
    if empty and not (drawn and (read.missing or without)):
        there = [name for name in known if name not in _PLACES]
        beside = f"there are {', '.join(there)}" if there else "no record has curves beside it"
        raise LtbenchError(f"figure {figure.name}: nothing logged {empty[0]!r}; {beside}.")
    remarks = [f"Nothing logged {quantity}, hence no panel of it." for quantity in empty]
    if without:
        records_without = counted(len(without), "record")
        remarks.append(f"{records_without} without curves beside: {'; '.join(without)}.")
    methods = tuple(definition.methods)
    return CurveChart(read, methods, drawn, tuple(remarks), definition.titles)


def columns_of(path: Path, wanted: Collection[str]) -> tuple[dict[str, Line], list[str]]:
    """Return the wanted columns of a file of curves that say something, and all columns' names.

    Epochs at which a column says nothing, or nothing finite, are left out. Raises ValueError, with
    the reason, where the file does not read.
    """
    found: dict[str, list[CurvePoint]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            for row in rows:
                for name in wanted:
                    text = row.get(name)
                    if text and name not in _PLACES and abs(value := float(text)) < _LARGEST:
                        point = CurvePoint(int(row["epoch"] or ""), row.get("stage") or "", value)
                        found.setdefault(name, []).append(point)
            names = list(rows.fieldnames or ())
    except KeyError:
        raise ValueError("it has no column epoch") from None
    except (OSError, csv.Error) as error:
        raise ValueError(str(error)) from None
    return {name: tuple(line) for name, line in found.items()}, names


def as_csv(found: CurveChart) -> str:
    """Return one line for each point."""
    return csv_text([FIELDS, *_rows(found)])


def _rows(found: CurveChart) -> Iterator[tuple[Any, ...]]:
    cell = found.read.cell
    for quantity, panel in found.panels.items():
        for method, seeds in panel.items():
            for seed, line in seeds.items():
                for point in line:
                    where = cell.dataset, cell.network, cell.protocol, point.epoch, point.stage
                    yield quantity, method, seed, *where, f"{point.value:.6g}"
