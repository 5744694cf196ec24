"""From a figure specification and a store to files."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure

from ltbench.api.signatures import names
from ltbench.evaluation.selection import Selection
from ltbench.figures import classes, gains, inside, line_chart, planes, spectra
from ltbench.figures.analysed import Found
from ltbench.figures.definition import Analysed, Figure, Gains, Planes, Spectra
from ltbench.figures.draw import draw_classes, draw_lines
from ltbench.figures.draw_gains import draw_gains
from ltbench.figures.draw_inside import draw_inside
from ltbench.figures.draw_planes import draw_planes
from ltbench.figures.draw_spectra import draw_spectra
from ltbench.figures.style import save, style
from ltbench.runs.store import Store
from ltbench.tables.definition import selecting
from ltbench.tables.grid import build
from ltbench.tables.missing import commands


@dataclass(frozen=True)
class Made:
    """The files of a figure and what the user should know of it."""

    files: tuple[Path, ...]
    remarks: tuple[str, ...]
    problems: tuple[str, ...]  # records that do not read


def make(
    figure: Figure,
    store: Store,
    protocol: str | None = None,
    select: Selection | None = None,
    folder: Path | None = None,
) -> Made:
    """Draw a figure into a folder, else the store's `figures`; files are whole or the old ones.

    Raises LtbenchError where it is drawn from records alone and there are none.
    """
    with style():
        problems: tuple[str, ...] = ()
        if isinstance(figure.definition, Analysed):
            drawn, data, found = _analysed(figure, store, protocol)
            name, remarks = found.name, _left_out(found.missing)
        elif figure.table is None:
            bars = classes.per_class(figure, store, protocol, select or Selection.LAST)
            drawn, name, data = draw_classes(bars), bars.name, classes.as_csv(bars)
            remarks, problems = bars.remarks + _left_out(bars.missing), bars.problems
        elif isinstance(figure.definition, Gains):
            table = selecting(figure.table, select, protocol) if select else figure.table
            gained = gains.gains(figure, table, store, protocol)
            drawn, name, data = draw_gains(gained), gained.grid.name, gains.as_csv(gained)
            remarks, problems = gained.remarks, gained.grid.problems
        else:
            table = selecting(figure.table, select, protocol) if select else figure.table
            points = line_chart.line_chart(figure, build(table, store, protocol))
            drawn, name, data = draw_lines(points), points.name, line_chart.as_csv(points)
            remarks = points.grid.remarks + _unreproduced(points)
            problems = points.grid.problems
        files = save(drawn, data, name, folder or store.root / "figures")
    return Made(tuple(files), remarks, problems)


def _analysed(
    figure: Figure, store: Store, protocol: str | None
) -> tuple[matplotlib.figure.Figure, str, Found]:
    """Return a figure of analyses, drawn, with its data as CSV and what it is of."""
    if isinstance(figure.definition, Spectra):
        hessians = spectra.spectra(figure, store, protocol)
        return draw_spectra(hessians), spectra.as_csv(hessians), hessians.found
    if isinstance(figure.definition, Planes):
        ways = planes.planes(figure, store, protocol)
        return draw_planes(ways), planes.as_csv(ways), ways.found
    curves = inside.inside(figure, store, protocol)
    return draw_inside(curves), inside.as_csv(curves), curves.found


def _left_out(methods: tuple[str, ...]) -> tuple[str, ...]:
    return (f"Without records, hence left out: {', '.join(methods)}.",) if methods else ()


def _unreproduced(points: line_chart.LineChart) -> tuple[str, ...]:
    """Return how many points have records, and the commands that make the others."""
    grid = points.grid
    done = sum(point.entry.reproduced is not None for point in points.points)
    protocols = ", ".join(grid.protocols)
    if done == len(points.points):
        return ()
    if done:
        first = f"{done} of {len(points.points)} points have records of protocol {protocols}."
    else:
        first = f"Nothing is reproduced under protocol {protocols} yet: reported values only."
    missing = [f"  {command}" for command in commands(grid, names())]
    return (first, "Missing points are made by:", *missing) if missing else (first,)
