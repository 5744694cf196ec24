"""Claimed gains, and other readings of them and of rows, with what the records say."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import product

from ltbench.data.profile import SHOTS
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval, paired_difference
from ltbench.statistics.verdict import gain_tolerance, holm, judge
from ltbench.tables.cells import Reader, ResolvedColumn, scores
from ltbench.tables.claims import Claim, Claims, Reading, shipped_readings
from ltbench.tables.columns import read_column
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.grid import Grid
from ltbench.tables.ledger_row import (
    LedgerRow,
    RowSource,
    decided,
    elsewhere,
    gained,
    judged_in,
    row_of,
    untested,
)
from ltbench.tables.metrics import METRICS

_Judgeable = tuple[LedgerRow, bool]  # a row, and whether runs of this version can judge it


def claimed(
    claims: Claims, tables: Mapping[str, Table], source: RowSource
) -> tuple[list[LedgerRow], list[LedgerRow]]:
    """Return the claims by our defaults, and every claim under every reading that changes it.

    What can be judged of the claims is one family, under each reading anew: a reading's verdicts
    are those that it would have as the default.
    """
    ours = [_gain(claim, claim, tables[claim.table], source) for claim in claims.claims]
    found = []
    for reading in claims.readings:
        read = [claim.under(reading) for claim in claims.claims]
        rows = [
            own if other is None else _gain(claim, other, tables[claim.table], source)
            for claim, other, own in zip(claims.claims, read, ours, strict=True)
        ]
        found += [
            replace(row, kind="reading", reading=reading.reading)
            for row, other in zip(_judged(rows), read, strict=True)
            if other is not None
        ]
    return [_beside(row, readings_of(row, found)) for row in _judged(ours)], found


def _gain(claim: Claim, read: Claim, table: Table, source: RowSource) -> _Judgeable:
    """Return a claim as it is read, by the shot groups of the rows that the claim is about."""
    column, rows = claim.column_in(table), claim.rows_in(table, read)
    every, own = [*table.definition.rows, *rows], claim.rows_in(table)
    resolved = judged_in(table, column, [*table.definition.rows, *own], source.reader.store)
    row, base = (row_of("claim", table, resolved, each, claim.gain) for each in rows)
    row = replace(
        row, paper=claim.paper, row=claim.claim, over=read.over, over_thresholds=base.thresholds
    )
    if row.tolerance is not None:
        row = replace(row, tolerance=gain_tolerance(claim.gain, row.tolerance))
    able = resolved.exact and row.tolerance is not None and resolved.column.data.available
    found = read_column(source.reader, table, resolved, every)
    if found.differences(read.method, read.over):
        row = gained(row, found, read.method, read.over)
    else:
        row = elsewhere(row, table, resolved, rows, source)
    if row.reproduced is not None and not _of_the_same_classes(column, rows):
        ran = replace(resolved, protocol=row.protocol or resolved.protocol)
        gain = _regrouped(rows, table, ran, row.seeds, source.reader)
        row = replace(untested(row), same_classes=gain)
    return row, able


def _of_the_same_classes(column: Column, rows: Sequence[TableRow]) -> bool:
    """Return whether rows group the classes of a column alike: else a difference is no gain."""
    info = column.data.info
    own = info.many_above, info.few_below
    bounds = {"many": slice(1), "few": slice(1, 2)}.get(column.metric, slice(2))
    if column.metric not in SHOTS:
        return True
    ours, over = ((row.thresholds or own)[bounds] for row in rows)
    return ours == over


def _regrouped(
    rows: Sequence[TableRow],
    table: Table,
    resolved: ResolvedColumn,
    seeds: Sequence[int],
    reader: Reader,
) -> Estimate | None:
    """Return the gain by seed where both rows group the classes as the data set does."""
    ours, over = (
        scores(reader, table, row.model_copy(update={"thresholds": None}), resolved, seeds)
        for row in rows
    )
    return paired_difference(ours, over)


def _judged(rows: Sequence[_Judgeable]) -> list[LedgerRow]:
    """Return gains with their verdicts: all that can be judged are one family."""
    found = [row for row, _ in rows]
    family = [index for index, (_, able) in enumerate(rows) if able]
    judged = judge([found[index].comparison for index in family])
    for index in family:
        found[index] = replace(found[index], family=len(family))
        evidence = found[index].comparison
        if evidence is not None and not evidence.judged:  # it is tested once, on all seeds
            found[index] = untested(found[index])
    tested = [found[index].p_gain if found[index].comparison else None for index in family]
    for index, each, p_holm in zip(family, judged, holm(tested), strict=True):
        evidence = found[index].comparison
        if evidence is not None:
            row = decided(found[index], evidence, each, len(family))
            found[index] = replace(row, p_gain_holm=p_holm)
    return found


def _beside(row: LedgerRow, others: Sequence[LedgerRow]) -> LedgerRow:
    """Return a claim that says what became of its other readings, where anything has run."""
    if not others or not any(each.reproduced for each in (row, *others)):
        return row
    words = Counter(other.verdict.word for other in others)
    said = ", ".join(f"{words[word]} {word}" for word in words)
    return replace(row, other_readings=f"by our default reading; other readings: {said}")


def by_default(row: LedgerRow, readings: Sequence[Reading]) -> LedgerRow:
    """Return a value's row that says so where its records are by one of several readings."""
    method = row.specification
    if row.reproduced is None or method is None:
        return row
    others = any(reading.of(method) not in (None, [method]) for reading in readings)
    return replace(row, other_readings="by our default reading" if others else "")


def readings_of(claim: LedgerRow, readings: Iterable[LedgerRow]) -> list[LedgerRow]:
    """Return the rows of a claim's other readings: no two claims have the same words."""
    return [row for row in readings if row.row == claim.row]


def reading_notes(
    table: Table, reader: Reader, columns: Sequence[ResolvedColumn]
) -> tuple[str, ...]:
    """Return a sentence for each row and reading with records of the seeds that the table names.

    Sentences and no rows, so that no verdict on the table's own rows depends on them. A reading
    that is a row already has none, nor has a metric that is never judged.
    """
    rows, seeds = table.definition.rows, table.definition.seeds
    notes = []
    for row, reading in product(rows, shipped_readings()):
        values: list[str] = []
        for resolved in columns:
            method, column = resolved.method(row), resolved.column
            (read,) = (method and reading.of(method)) or (None,)
            if read is None or METRICS[column.metric].tolerance is None:
                continue
            if read in [resolved.method(each) for each in rows]:
                continue
            as_read = row.model_copy(update={"method": read, "by_dataset": {}})
            if found := list(scores(reader, table, as_read, resolved, seeds).values()):
                where = column.dataset, resolved.protocol, resolved.network
                said = [f"n = {len(found)}"] + ["transductive"] * reader.reads_all(*where, read)
                mean = mean_interval(found).text(table.decimals(column))
                values.append(f"{column.title} {mean} ({', '.join(said)})")
        if values:
            notes.append(f"{row.label}, read otherwise ({reading.reading}): {'; '.join(values)}.")
    return tuple(notes)


def with_reading_notes(grid: Grid, store: Store) -> Grid:
    """Return a paper's grid with a note for each row that has records by another reading.

    What is wrong with those records, and what to know of them, joins what there is of the others.
    """
    if not grid.of_a_paper:
        return grid
    reader = Reader(store)
    notes = reading_notes(grid.table, reader, grid.columns)
    problems = dict.fromkeys((*grid.problems, *reader.problems))
    remarks = dict.fromkeys((*grid.remarks, *reader.remarks))
    return replace(grid, readings=notes, problems=tuple(problems), remarks=tuple(remarks))
