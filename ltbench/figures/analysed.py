"""From a figure of analyses to their results, by method and seed."""

from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from ltbench.analysis.results import Result, results_by_seed
from ltbench.data.catalog import dataset
from ltbench.errors import LtbenchError
from ltbench.figures.definition import Analysed, Figure
from ltbench.figures.style import canvas, caveat, tier
from ltbench.runs.commands import run_command
from ltbench.runs.protocol import protocol_of
from ltbench.runs.store import Cell, Store, slug


class NothingToDrawError(LtbenchError):
    """A figure is drawn from records or analyses and there are none."""


@dataclass(frozen=True)
class FigureResults:
    """The results of one analysis on the networks of a figure, and what the figure is called."""

    figure: Figure
    name: str  # of its files, apart from the figure's own under another protocol
    cell: Cell  # of the first method; its method and seed say nothing
    exact: bool
    results: dict[str, dict[int, Result]]  # by method and seed
    missing: tuple[str, ...]  # methods without


def results_of(
    figure: Figure, store: Store, analysis: str, protocol: str | None = None
) -> FigureResults:
    """Return the results of an analysis that a figure is drawn from.

    `protocol` replaces the figure's. Raises NothingToDrawError, with the commands, for none.
    """
    definition = figure.definition
    assert isinstance(definition, Analysed)
    data, analysis = dataset(definition.dataset), definition.analysis or analysis
    used = protocol_of(protocol or definition.protocol, data.info)
    where = (str(data), used.specification, definition.network or data.info.network)
    every = {m: results_by_seed(store, Cell(*where, m, 0), analysis) for m in definition.methods}
    found = {method: results for method, results in every.items() if results}
    if not found:
        command = run_command(definition.methods, data, where[2], where[1], [0], results=store.root)
        raise NothingToDrawError(
            f"figure {figure.name} is drawn from analyses and there are none yet; "
            f"`{command} --keep {definition.keep}` and then "
            f"`ltbench analyse '{analysis}'` make them."
        )
    own = protocol_of(definition.protocol, data.info).specification == used.specification
    return FigureResults(
        figure, definition.name + ("" if own else f"_{slug(used.specification)}"),
        Cell(*where, definition.methods[0], 0), used.exact, found,
        tuple(method for method in definition.methods if method not in found),
    )  # fmt: skip


def framed(found: FigureResults, width: float, height: float, caption: str) -> Canvas:
    """Return the canvas of a figure of analyses, which says what the networks are."""
    cell = found.cell
    under = f"{cell.dataset}, {cell.network}, {tier(cell.protocol, found.exact)}"
    return canvas(width, height, found.figure.title, under, caption + caveat(found.exact))
