"""From a grid to the points of a figure: sweeps of one number, and accuracy over imbalance."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ltbench.errors import UsageError, unknown
from ltbench.evaluation.scores import TITLES
from ltbench.figures.definition import Figure, ImbalanceChart, Sweep
from ltbench.runs.files import csv_text, four_decimals
from ltbench.tables.cells import ResolvedColumn
from ltbench.tables.definition import TableRow
from ltbench.tables.grid import Grid, TableCell
from ltbench.tables.metrics import METRICS

FIELDS = (
    "panel", "series", "x", "method", "dataset", "imbalance", "network", "metric", "protocol",
    "select", "reported", "reproduced", "ci95", "n", "seeds", "status", "verdict",
)  # fmt: skip
_NUMBER = re.compile(r"=\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)$")


@dataclass(frozen=True)
class Point:
    """One value of a series: what is reported and reproduced at `x`."""

    x: float
    row: TableRow
    resolved: ResolvedColumn
    entry: TableCell


@dataclass(frozen=True)
class Series:
    """Points that a line joins."""

    label: str
    points: tuple[Point, ...]

    @property
    def tolerance(self) -> float | None:
        """Return within how many points a reported value holds; None where none is judged."""
        if not all(point.resolved.exact for point in self.points):
            return None
        return METRICS[self.points[0].resolved.column.metric].tolerance


@dataclass(frozen=True)
class LinePanel:
    """One pair of axes."""

    title: str
    series: tuple[Series, ...]

    @property
    def ticks(self) -> list[float]:
        """Return every x there is."""
        return sorted({point.x for series in self.series for point in series.points})


@dataclass(frozen=True)
class LineChart:
    """The panels of a figure and the grid they are drawn from."""

    name: str
    figure: Figure
    grid: Grid
    axis: str
    log: bool
    panels: tuple[LinePanel, ...]

    @property
    def points(self) -> list[Point]:
        """Return all points."""
        return [point for panel in self.panels for each in panel.series for point in each.points]

    @property
    def reproduced(self) -> bool:
        """Return whether any point has records."""
        return any(point.entry.reproduced is not None for point in self.points)


def line_chart(figure: Figure, grid: Grid) -> LineChart:
    """Return a figure's points; raises UsageError where rows and columns do not give any."""
    definition, table = figure.definition, figure.table
    assert table is not None
    name = definition.name + grid.name.removeprefix(table.name)
    if isinstance(definition, Sweep):
        return LineChart(name, figure, grid, definition.axis, definition.log, _sweep(figure, grid))
    assert isinstance(definition, ImbalanceChart)
    drawn, panels = _imbalance(definition, grid)
    return LineChart(name, figure, drawn, "imbalance ratio r", True, panels)


def _sweep(figure: Figure, grid: Grid) -> tuple[LinePanel, ...]:
    """Return a panel for each column, with one line over the rows."""
    numbers = [_number(figure, row) for row in grid.rows]
    panels = []
    for index, resolved in enumerate(grid.columns):
        entries = [line[index] for line in grid.lines]
        points = [
            Point(x, row, resolved, entry)
            for x, row, entry in zip(numbers, grid.rows, entries, strict=True)
        ]
        ordered = sorted(points, key=lambda point: point.x)
        title = resolved.column.data.title
        panels.append(LinePanel(title, (Series(figure.title, tuple(ordered)),)))
    return tuple(panels)


def _number(figure: Figure, row: TableRow) -> float:
    found = _NUMBER.search(row.label)
    if found is None:
        raise UsageError(
            f"figure {figure.name}: the label {row.label!r} does not end in the number that rows "
            "differ in; write it like 'G=4'."
        )
    return float(found[1])


def _imbalance(definition: ImbalanceChart, grid: Grid) -> tuple[Grid, tuple[LinePanel, ...]]:
    """Return the part of the grid that is drawn, and a panel for each data set in it.

    A data set is drawn if it has several ratios, each row as a line.
    """
    labels = [row.label for row in grid.rows]
    for label in definition.rows:
        if label not in labels:
            raise unknown(f"row of table {definition.table}", label, labels)
    families: dict[str, list[int]] = {}
    for index, resolved in enumerate(grid.columns):
        if resolved.column.metric in TITLES:
            families.setdefault(resolved.column.data.series, []).append(index)
    families = {title: indices for title, indices in families.items() if len(indices) > 1}
    if not families:
        raise UsageError(
            f"table {definition.table} has no data set at several imbalance ratios; name another."
        )
    rows = [labels.index(label) for label in definition.rows]
    panels = [
        LinePanel(title, tuple(_line(grid, row, indices) for row in rows))
        for title, indices in families.items()
    ]
    return _part(grid, rows, [index for each in families.values() for index in each]), (*panels,)


def _part(grid: Grid, rows: Sequence[int], columns: Sequence[int]) -> Grid:
    """Return a grid of some rows and columns, judged as they were in the whole."""
    definition = grid.table.definition.model_copy(
        update={
            "rows": [grid.rows[row] for row in rows],
            "columns": [grid.columns[column].column for column in columns],
        }
    )
    lines = tuple(tuple(grid.lines[row][column] for column in columns) for row in rows)
    resolved = tuple(grid.columns[column] for column in columns)
    return replace(
        grid, table=replace(grid.table, definition=definition), columns=resolved, lines=lines
    )


def _line(grid: Grid, row: int, indices: Sequence[int]) -> Series:
    points = [
        Point(grid.columns[index].column.data.imbalance, grid.rows[row], grid.columns[index],
              grid.lines[row][index])
        for index in indices
    ]  # fmt: skip
    return Series(grid.rows[row].label, tuple(sorted(points, key=lambda point: point.x)))


def as_csv(found: LineChart) -> str:
    """Return one line for each point; four decimals, for more differ between machines."""
    return csv_text([FIELDS, *_rows(found)])


def _rows(found: LineChart) -> Iterator[tuple[Any, ...]]:
    select = found.grid.table.definition.select
    for panel in found.panels:
        for series in panel.series:
            for point in series.points:
                entry, resolved, column = point.entry, point.resolved, point.resolved.column
                estimate = entry.reproduced
                mean, half = (estimate.mean, estimate.half_width) if estimate else (None, None)
                yield (
                    panel.title, series.label, f"{point.x:g}", point.row.method_on(column.data),
                    column.data.info.name, column.data.ratio, resolved.network, column.metric,
                    resolved.protocol, select, entry.reported, four_decimals(mean),
                    four_decimals(half), len(entry.seeds), " ".join(map(str, entry.seeds)),
                    entry.status, entry.verdict,
                )  # fmt: skip
