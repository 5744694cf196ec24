"""The statistics behind a table's cells: against the paper, against a base, over subsets.

Slow to import, as `inference` is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ltbench.runs.store import Cell, Store
from ltbench.specification import Term, parse_one
from ltbench.statistics.estimates import Components, Estimate, components, mean_interval
from ltbench.statistics.inference import detectable_gain, paired_t, sign_flip
from ltbench.statistics.verdict import holm
from ltbench.tables.cells import Reader, ResolvedColumn, scores
from ltbench.tables.definition import Row, Table
from ltbench.tables.grid import Grid, TableCell, build
from ltbench.tables.metrics import METRICS

_SUBSET = "subset_seed"  # the protocol's field


@dataclass(frozen=True)
class Gain:
    """What a row has over the table's base, over the seeds that both have."""

    estimate: Estimate
    p_paired: float | None  # of no gain, by the paired t test
    p_holm: float | None  # the same, raised for all rows of the column together
    p_flip: float | None  # by flipping signs
    detectable: float | None  # the least true gain that so many seeds find in four of five tries


@dataclass(frozen=True)
class Spread:
    """The spread of a cell over training subsets and over runs on one subset."""

    subsets: tuple[int, ...]  # their seeds
    runs: tuple[int, ...]  # run seeds that all of them have
    components: Components


@dataclass(frozen=True)
class Detail:
    """One cell with records."""

    row: Row
    head: ResolvedColumn
    entry: TableCell
    p_differs: float | None  # of no difference to the reported value beyond the tolerance
    p_holm: float | None
    detectable: float | None  # the least true difference to it that so many seeds find
    gain: Gain | None = None
    spread: Spread | None = None


@dataclass(frozen=True)
class Details:
    """All cells with records, column by column."""

    grid: Grid
    lines: tuple[Detail, ...]


def details(table: Table, store: Store, protocol: str | None = None) -> Details:
    """Return the statistics of a table's cells; `protocol` replaces the table's.

    Raises UsageError where a data set does not have that protocol.
    """
    grid = build(table, store, protocol)
    reader = Reader(store)
    lines: list[Detail] = []
    for place, head in enumerate(grid.heads):
        entries = [line[place] for line in grid.lines]
        lines += _column(grid, head, entries, reader)
    return Details(grid, tuple(lines))


def base(grid: Grid) -> str:
    """Return the label of the row that gains are counted from: the first that can have any."""
    labels = [row.label for row in grid.rows if row.method is not None]
    return labels[0] if labels else grid.rows[0].label


def _column(
    grid: Grid, head: ResolvedColumn, entries: Sequence[TableCell], reader: Reader
) -> list[Detail]:
    found = [_detail(*pair, head) for pair in zip(grid.rows, entries, strict=True)]
    raised = iter(holm([p for each in found if (p := each.p_differs) is not None]))
    lines = [
        each if each.p_differs is None else replace(each, p_holm=next(raised)) for each in found
    ]
    gains = _gains(grid, head, reader)
    return [
        replace(line, gain=gain, spread=_spread(grid, row, head, reader))
        for line, gain, row in zip(lines, gains, grid.rows, strict=True)
        if line.entry.reproduced is not None
    ]


def _detail(row: Row, entry: TableCell, head: ResolvedColumn) -> Detail:
    compared = entry.comparison
    if compared is None or not compared.judged:
        return Detail(row, head, entry, None, None, None)
    return Detail(row, head, entry, compared.p_value(), None, compared.detectable())


def _gains(grid: Grid, head: ResolvedColumn, reader: Reader) -> list[Gain | None]:
    """Return every row's gain on the base; none of the base itself, or of what is no score."""
    wanted, first = grid.table.definition.seeds, base(grid)
    found = {row.label: scores(reader, grid.table, row, head, wanted) for row in grid.rows}
    gains: list[Gain | None] = []
    for label, each in found.items():
        values = [each[seed] - found[first][seed] for seed in each if seed in found[first]]
        if label == first or not values or not METRICS[head.column.metric].ranked:
            gains.append(None)
            continue
        gains.append(
            Gain(
                mean_interval(values), paired_t(values), None, sign_flip(values),
                detectable_gain(values),
            )
        )  # fmt: skip
    raised = iter(holm([p for each in gains if each and (p := each.p_paired) is not None]))
    return [
        replace(each, p_holm=next(raised)) if each and each.p_paired is not None else each
        for each in gains
    ]


def _spread(grid: Grid, row: Row, head: ResolvedColumn, reader: Reader) -> Spread | None:
    """Return what subsets and runs add to a cell's spread, where both were varied."""
    cells = head.cells(row, [0])
    if not cells:
        return None
    found: dict[int, dict[int, float]] = {}
    for subset, name in _subsets(reader.store, cells[0]).items():
        other = replace(head, protocol=name)
        every = [seed for cell in other.cells(row, [0]) for seed in reader.store.seeds(cell)]
        found[subset] = scores(reader, grid.table, row, other, every)
    common = sorted(set.intersection(*map(set, found.values()))) if found else []
    parts = components([[each[seed] for seed in common] for each in found.values()])
    return None if parts is None else Spread(tuple(sorted(found)), tuple(common), parts)


def _subsets(store: Store, cell: Cell) -> dict[int, str]:
    """Return the protocols in the store that differ from a cell's in nothing but the subset."""
    own = _without_subset(cell.protocol)
    names = [name for name in store.protocols(cell) if _without_subset(name) == own]
    return {int(parse_one(name, "protocol").parameters.get(_SUBSET, 0)): name for name in names}


def _without_subset(name: str) -> Term:
    term = parse_one(name, "protocol")
    rest = {key: value for key, value in term.parameters.items() if key != _SUBSET}
    return replace(term, parameters=rest)
