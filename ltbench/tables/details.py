"""The statistics behind a table's cells: against the paper, against a base, over subsets."""

from dataclasses import dataclass, replace

from ltbench.runs.store import Cell, Store
from ltbench.specification import Term, parse_one
from ltbench.statistics.estimates import ALPHA, Components, Estimate, components
from ltbench.statistics.gains import sign_flip
from ltbench.statistics.verdict import Evidence, Judged, holm
from ltbench.tables.cells import Reader, ResolvedColumn, scores
from ltbench.tables.columns import ColumnScores, judge_column, read_column
from ltbench.tables.definition import Table, TableRow
from ltbench.tables.grid import Grid, TableCell, grid_of
from ltbench.tables.metrics import METRICS

_SUBSET = "subset_seed"  # the protocol's field


@dataclass(frozen=True)
class RowGain:
    """The gain of a row on the table's base, over the pairs of seeds that both have."""

    estimate: Estimate
    p_value: float | None  # of no gain
    p_holm: float | None  # the same, raised for all rows of the column that can run
    p_flip: float | None  # by flipping signs
    superiority: tuple[float, float, float] | None  # P(it beats the base) with its interval
    detectable: float | None  # the least true gain that so many seeds find in four of five tries


@dataclass(frozen=True)
class Spread:
    """The spread of a cell over training subsets and over runs on one subset."""

    subsets: tuple[int, ...]  # their seeds
    runs: tuple[int, ...]  # run seeds that all of them have
    components: Components


@dataclass(frozen=True)
class Detail:
    """The statistics of one cell with records."""

    row: TableRow
    resolved: ResolvedColumn
    entry: TableCell
    p_differs: float | None  # of no difference to the reported value beyond the tolerance
    p_holm: float | None
    detectable: float | None  # the least true difference to it that so many seeds find
    gain: RowGain | None = None
    spread: Spread | None = None


@dataclass(frozen=True)
class Details:
    """All cells with records, column by column."""

    grid: Grid
    lines: tuple[Detail, ...]


def details_of(table: Table, store: Store, protocol: str | None = None) -> Details:
    """Return the statistics of a table's cells; `protocol` replaces the table's.

    Raises UsageError where a data set does not have that protocol.
    """
    grid = grid_of(table, store, protocol)
    reader = Reader(store)
    lines: list[Detail] = []
    for index, resolved in enumerate(grid.columns):
        found = read_column(reader, table, resolved, grid.rows)
        judged, gains = judge_column(table, found), _gains(grid, found)
        lines += [
            replace(
                _detail(row, resolved, line[index], judged.get(row.label), family=len(judged)),
                gain=gains.get(row.label), spread=_spread(grid, row, resolved, reader),
            )
            for row, line in zip(grid.rows, grid.lines, strict=True)
            if line[index].reproduced is not None
        ]  # fmt: skip
    return Details(grid, tuple(lines))


def base(grid: Grid) -> TableRow:
    """Return the row that gains are counted from: the first that can have any."""
    return next((row for row in grid.rows if row.method is not None), grid.rows[0])


def _detail(
    row: TableRow,
    resolved: ResolvedColumn,
    entry: TableCell,
    judged: tuple[Evidence | None, Judged] | None,
    family: int,
) -> Detail:
    evidence, found = judged or (None, None)
    if evidence is None or found is None or not evidence.judged:
        return Detail(row, resolved, entry, None, None, None)
    detectable = evidence.detectable(ALPHA / family)
    return Detail(row, resolved, entry, evidence.p_value(), found.p_holm, detectable)


def _gains(grid: Grid, found: ColumnScores) -> dict[str, RowGain]:
    """Return by label the gains on the base; none of the base itself, or of what is no score."""
    column, first = found.resolved.column, base(grid)
    origin = first.method_on(column.data)
    methods = {row.label: row.method_on(column.data) for row in grid.rows if row is not first}
    able = {label: method for label, method in methods.items() if method is not None}
    if origin is None or not METRICS[column.metric].ranked:
        return {}
    gained = {label: found.gain(method, origin) for label, method in able.items()}
    tested = [None if each is None else each.p_value() for each in gained.values()]
    return {
        label: RowGain(
            gain.estimate, p, p_holm,
            sign_flip(list(found.differences(able[label], origin).values())), gain.superiority(),
            gain.detectable(ALPHA / len(tested)),
        )
        for (label, gain), p, p_holm in zip(gained.items(), tested, holm(tested), strict=True)
        if gain is not None
    }  # fmt: skip


def _spread(grid: Grid, row: TableRow, resolved: ResolvedColumn, reader: Reader) -> Spread | None:
    """Return a cell's deviations between subsets and between runs, where both vary."""
    cells = resolved.cells(row, [0])
    if not cells:
        return None
    found: dict[int, dict[int, float]] = {}
    for subset, name in _subsets(reader.store, cells[0]).items():
        other = replace(resolved, protocol=name)
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
