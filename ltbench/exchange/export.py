"""Records as one table, a row each: CSV by pandas, parquet by pyarrow; few are held at a time."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, BinaryIO

from ltbench.errors import LtbenchError
from ltbench.exchange.flat import FieldType, as_text, columns, row
from ltbench.exchange.frame import frame
from ltbench.runs.record import Record

ROWS = 1000  # that are held at a time, and of a row group of parquet


def write_csv(records: Iterable[Record], file: BinaryIO) -> int:
    """Write the table as CSV in UTF-8 and return the number of records.

    Lists are JSON text, null is empty.
    """
    count = 0
    for part in chain([[]], _parts(records)):  # the header first
        table = frame(part).astype(object).map(as_text)
        table.to_csv(file, index=False, header=not part, lineterminator="\n")
        count += len(part)
    return count


def check_parquet() -> None:
    """Raise LtbenchError, with the command that mends it, where pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415  (an extra)
    except ImportError:
        raise LtbenchError(
            "parquet needs pyarrow, which is not installed; `python -m pip install pyarrow` "
            "brings it, and --format csv does without."
        ) from None


def write_parquet(records: Iterable[Record], file: BinaryIO) -> int:
    """Write the table as parquet and return the number of records; lists are lists."""
    import pyarrow as pa  # noqa: PLC0415  (an extra)
    import pyarrow.parquet as pq  # noqa: PLC0415

    plain: dict[FieldType, Any] = {
        "text": pa.string(), "json": pa.string(), "integer": pa.int64(), "number": pa.float64(),
        "flag": pa.bool_(), "texts": pa.list_(pa.string()), "integers": pa.list_(pa.int64()),
    }  # fmt: skip
    schema = pa.schema([(name, plain[kind]) for name, kind in columns().items()])
    count = 0
    with pq.ParquetWriter(file, schema) as writer:
        for part in _parts(records):
            writer.write_table(pa.Table.from_pylist([row(each) for each in part], schema=schema))
            count += len(part)
    return count


def _parts(records: Iterable[Record]) -> Iterator[list[Record]]:
    found = iter(records)
    for first in found:
        yield [first, *islice(found, ROWS - 1)]
