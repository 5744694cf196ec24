"""From a figure specification and a store to files."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure

from ltbench.errors import UsageError
from ltbench.evaluation.selection import Selection
from ltbench.figures import classes, curves, drifts, gains, inside, line_chart, planes, spectra
from ltbench.figures.definition import Analysed, Curves, Drifts, Figure, Gains, Planes, Spectra
from ltbench.figures.draw_classes import draw_classes
from ltbench.figures.draw_curves import draw_curves
from ltbench.figures.draw_drifts import draw_drifts
from ltbench.figures.draw_gains import draw_gains
from ltbench.figures.draw_inside import draw_inside
from ltbench.figures.draw_lines import draw_lines
from ltbench.figures.draw_planes import draw_planes
from ltbench.figures.draw_spectra import draw_spectra
from ltbench.figures.style import save, style
from ltbench.registry.signatures import names
from ltbench.runs.store import Store
from ltbench.tables.definition import selecting
from ltbench.tables.grid import grid_of
from ltbench.tables.missing import commands


@dataclass(frozen=True)
class Drawing:
    """A figure drawn: the name of its files, its data as CSV, what the user should know of it."""

    picture: matplotlib.figure.Figure
    name: str
    data: str
    remarks: tuple[str, ...]
    problems: tuple[str, ...]  # records that do not read


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
        made = drawing(figure, store, protocol, select)
        files = save(made.picture, made.data, made.name, folder or store.root / "figures")
    return Made(tuple(files), made.remarks, made.problems)


def drawing(
    figure: Figure,
    store: Store,
    protocol: str | None = None,
    select: Selection | None = None,
) -> Drawing:
    """Return a figure drawn in the style that is set.

    Raises LtbenchError where it is drawn from records or analyses and there are none, and
    UsageError for a choice of epochs that it does not have.
    """
    if isinstance(figure.definition, Analysed):
        return _analysed(figure, store, protocol)
    if isinstance(figure.definition, Curves):
        if select is not None:
            raise UsageError(f"figure {figure.name} draws every epoch; leave --select out.")
        chart = curves.curve_chart(figure, store, protocol)
        read = chart.read
        return Drawing(
            draw_curves(chart), read.name, curves.as_csv(chart),
            read.remarks + _left_out(read.missing) + chart.remarks, read.problems,
        )  # fmt: skip
    if figure.table is None:
        bars = classes.per_class(figure, store, protocol, select or Selection.LAST)
        remarks = bars.remarks + _left_out(bars.missing)
        return Drawing(draw_classes(bars), bars.name, classes.as_csv(bars), remarks, bars.problems)
    table = selecting(figure.table, select, protocol) if select else figure.table
    if isinstance(figure.definition, Gains):
        gained = gains.gains(figure, table, store, protocol)
        return Drawing(
            draw_gains(gained), gained.grid.name, gains.as_csv(gained), gained.remarks,
            gained.grid.problems,
        )  # fmt: skip
    points = line_chart.line_chart(figure, grid_of(table, store, protocol))
    remarks = points.grid.remarks + _unreproduced(points)
    return Drawing(
        draw_lines(points), points.name, line_chart.as_csv(points), remarks, points.grid.problems
    )


def _analysed(figure: Figure, store: Store, protocol: str | None) -> Drawing:
    if isinstance(figure.definition, Spectra):
        hessians = spectra.spectra(figure, store, protocol)
        picture, data, found = draw_spectra(hessians), spectra.as_csv(hessians), hessians.found
    elif isinstance(figure.definition, Planes):
        drawn = planes.planes(figure, store, protocol)
        picture, data, found = draw_planes(drawn), planes.as_csv(drawn), drawn.found
    elif isinstance(figure.definition, Drifts):
        three = drifts.drifts(figure, store, protocol)
        picture, data, found = draw_drifts(three), drifts.as_csv(three), three.found
    else:
        seen = inside.inside(figure, store, protocol)
        picture, data, found = draw_inside(seen), inside.as_csv(seen), seen.found
    return Drawing(picture, found.name, data, _left_out(found.missing), ())


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
