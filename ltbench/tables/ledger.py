"""The ledger: every reported cell and every claimed gain with what the records say of it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from ltbench.runs.store import Store
from ltbench.tables.cells import Reader, ResolvedColumn
from ltbench.tables.claims import Claims
from ltbench.tables.columns import judge_column, read_column
from ltbench.tables.definition import Table
from ltbench.tables.ledger_claims import by_default, claimed, readings_of
from ltbench.tables.ledger_row import (
    LedgerRow,
    RowSource,
    decided,
    elsewhere,
    judged_in,
    measured,
    row_of,
)
from ltbench.tables.metrics import METRICS


@dataclass(frozen=True)
class Ledger:
    """All rows, the records that do not read, and what to know of those that do."""

    cells: tuple[LedgerRow, ...]
    claims: tuple[LedgerRow, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()  # what to know of the records that are joined
    readings: tuple[LedgerRow, ...] = ()  # claims read otherwise than by our defaults


def ledger_of(
    tables: Sequence[Table],
    claims: Claims | None,
    store: Store,
    methods: Collection[str] | None = None,
) -> Ledger:
    """Fill the ledger from a store.

    What can be judged is judged on the seeds that the table names; of a proxy every seed counts.
    With the methods that this version has, rows that need another say so.
    """
    source = RowSource(Reader(store), methods)
    read = claims.readings if claims else []
    cells = [
        by_default(row, read)
        for table in tables
        for column in table.definition.columns
        for row in _column(table, judged_in(table, column, table.definition.rows, store), source)
    ]
    named = {table.short: table for table in tables}
    gains, readings = claimed(claims, named, source) if claims else ([], [])
    problems, remarks = dict.fromkeys(source.reader.problems), source.reader.remarks
    marked, claim_rows, reading_rows = (
        tuple(
            replace(row, transductive=source.reader.reads_all(
                row.dataset, row.protocol, row.network, row.specification, row.over
            )) for row in rows
        )
        for rows in (cells, gains, readings)
    )  # fmt: skip
    return Ledger(marked, claim_rows, tuple(problems), tuple(remarks), reading_rows)


def with_readings(ledger: Ledger) -> Iterator[LedgerRow]:
    """Yield every claim, followed by those of its other readings that have records."""
    for claim in ledger.claims:
        yield claim
        yield from (row for row in readings_of(claim, ledger.readings) if row.reproduced)


def _column(table: Table, resolved: ResolvedColumn, source: RowSource) -> Iterator[LedgerRow]:
    found = read_column(source.reader, table, resolved, table.definition.rows)
    judged = judge_column(table, found)
    for row in table.definition.rows:
        reported = table.value(row, resolved.column)
        if reported is None or METRICS[resolved.column.metric].over == "open_set_f":
            continue  # F - F_0 is ours to say, of values that are rows themselves
        line = row_of("cell", table, resolved, row, reported)
        scored = found.scores.get(line.specification or "")
        if scored is None:
            yield elsewhere(line, table, resolved, [row], source)
            continue
        line = measured(line, resolved, scored)
        evidence, each = judged.get(row.label, (None, None))
        yield decided(line, evidence, each, len(judged)) if evidence and each else line
