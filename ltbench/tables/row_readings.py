"""What the records say of a table's rows by other readings of what the papers leave open."""

from collections.abc import Sequence
from itertools import product

from ltbench.statistics.estimates import mean_interval
from ltbench.tables.cells import Reader, ResolvedColumn, scores
from ltbench.tables.claims import shipped_readings
from ltbench.tables.definition import Table, TableRow
from ltbench.tables.metrics import METRICS


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
            as_read = TableRow(label=row.label, method=read)
            if found := list(scores(reader, table, as_read, resolved, seeds).values()):
                where = column.dataset, resolved.protocol, resolved.network
                said = [f"n = {len(found)}"] + ["transductive"] * reader.reads_all(*where, read)
                mean = mean_interval(found).text(table.decimals(column))
                values.append(f"{column.title} {mean} ({', '.join(said)})")
        if values:
            notes.append(f"{row.label}, read otherwise ({reading.reading}): {'; '.join(values)}.")
    return tuple(notes)
