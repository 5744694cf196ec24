"""From a figure of records to the records, by method and seed."""

from dataclasses import dataclass

from ltbench.data.catalog import dataset
from ltbench.errors import LtbenchError
from ltbench.evaluation.selection import Selection
from ltbench.figures.definition import Figure, Recorded
from ltbench.runs.commands import run_command
from ltbench.runs.protocol import check_held_out, protocol_of
from ltbench.runs.provenance import provenance_of
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store, slug
from ltbench.tables.cells import Reader
from ltbench.tables.metrics import scores_at


@dataclass(frozen=True)
class FigureRecords:
    """The records of a figure's methods, and what the figure is called."""

    figure: Figure
    name: str  # of its files, apart from the figure's own under another protocol or selection
    cell: Cell  # of the first method; its method and seed say nothing
    exact: bool
    select: Selection
    records: dict[str, dict[int, Record]]  # by method and seed
    missing: tuple[str, ...]  # methods without a record
    problems: tuple[str, ...]
    remarks: tuple[str, ...]  # what to know of the records that are joined


def records_of(
    figure: Figure, store: Store, protocol: str | None = None, select: Selection = Selection.LAST
) -> FigureRecords:
    """Return the records that a figure is drawn from; `protocol` replaces the figure's.

    Methods without records are left out and named. Raises LtbenchError where there are no records
    at all, or of different training images, and UsageError for a choice on held-out images under a
    protocol that holds none out.
    """
    definition = figure.definition
    assert isinstance(definition, Recorded)
    data = dataset(definition.dataset)
    used = protocol_of(protocol or definition.protocol, data.info)
    if select is Selection.VALIDATION:
        check_held_out([(used, data.info)])
    key = (str(data), used.specification, definition.network or data.info.network)
    reader = Reader(store)
    found: dict[str, dict[int, Record]] = {}
    for method in definition.methods:
        cells = [Cell(*key, method, seed) for seed in definition.seeds]
        read = ((cell.seed, reader.record(cell)) for cell in cells)
        records = {s: r for s, r in read if r is not None and scores_at(r, select) is not None}
        computed = {seed: provenance_of(record) for seed, record in records.items()}
        if records and reader.joins(cells, computed):
            found[method] = records
    if not found and reader.problems:
        raise LtbenchError(f"figure {figure.name} has nothing to draw: {reader.problems[0]}")
    if not found:
        command = run_command(
            definition.methods, data, key[2], key[1], definition.seeds, results=store.root
        )
        raise LtbenchError(
            f"figure {figure.name} is drawn from records and there are none yet; "
            f"`{command}` makes them."
        )
    drawn = [record for records in found.values() for record in records.values()]
    if len({each.data.indices_sha256 for each in drawn}) > 1:
        raise LtbenchError(
            f"figure {figure.name}: the records are of different training images; run them anew."
        )
    named = "" if select is Selection.LAST else f"_{select}"
    own = protocol_of(definition.protocol, data.info).specification == used.specification
    return FigureRecords(
        figure, definition.name + named + ("" if own else f"_{slug(used.specification)}"),
        Cell(*key, definition.methods[0], 0), used.exact, select, found,
        tuple(method for method in definition.methods if method not in found),
        tuple(reader.problems), tuple(reader.remarks),
    )  # fmt: skip
