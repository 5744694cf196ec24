"""Records as one table: every field, the same columns whatever the records, nothing lost."""

import csv
import io
import json
import sys

import pyarrow.parquet as pq
import pytest

from ltbench.errors import LtbenchError
from ltbench.exchange.export import check_parquet, write_csv, write_parquet
from ltbench.exchange.flat import as_text, columns, row
from ltbench.runs.files import csv_text
from ltbench.runs.record import Record


def leaves(content, prefix=""):
    """Yield every value of a record by its path, as the columns must have it."""
    for key, value in content.items():
        free = prefix == "" and key in ("parameters", "sources", "settings")
        if isinstance(value, dict) and not free:
            yield from leaves(value, f"{prefix}{key}.")
        elif value is not None or prefix:
            yield f"{prefix}{key}", value


def test_every_value_of_a_record_is_in_its_row(store):
    for record in store.records():
        values = row(record)
        assert list(values) == list(columns())
        for name, value in leaves(record.model_dump(mode="json")):
            written = json.loads(values[name]) if columns()[name] == "json" else values[name]
            assert written == value, name
        for name, value in record.settings.items():
            assert values[f"settings.{name}"] == value


def test_absent_parts_are_null_in_all_their_columns(store):
    values = row(next(store.records()))
    assert {name for name in values if name.startswith("selected.")}
    assert all(values[name] is None for name in values if name.startswith("selected."))


def test_a_setting_of_a_later_version_is_not_lost(store):
    record = next(store.records())
    later = record.model_copy(update={"settings": {**record.settings, "ema": 0.9}})
    assert json.loads(row(later)["settings"])["ema"] == 0.9


def test_csv_reads_back(store):
    records = list(store.records())
    file = io.BytesIO()
    assert write_csv(records, file) == 10
    rows = list(csv.DictReader(io.StringIO(file.getvalue().decode())))
    assert file.getvalue().decode() == csv_text(
        [columns(), *(map(as_text, row(record).values()) for record in records)]
    )
    for record, line in zip(records, rows, strict=True):
        assert list(line) == list(columns())
        assert float(line["last.top1"]) == record.last.top1
        assert json.loads(line["last.correct"]) == list(record.last.correct)
        assert json.loads(line["parameters"]) == record.parameters
        assert line["environment.dirty"] == "false"
        assert line["selected.top1"] == ""


def test_parquet_reads_back_with_lists(store):
    records = list(store.records())
    file = io.BytesIO()
    assert write_parquet(records, file) == 10
    table = pq.read_table(io.BytesIO(file.getvalue()))
    assert table.column_names == list(columns())
    assert table.to_pylist() == [row(record) for record in records]


def test_an_empty_store_has_the_same_columns(ours):
    file = io.BytesIO()
    assert write_parquet(ours.records(), file) == 0
    table = pq.read_table(io.BytesIO(file.getvalue()))
    assert (table.column_names, table.num_rows) == (list(columns()), 0)
    file = io.BytesIO()
    assert write_csv(ours.records(), file) == 0
    assert file.getvalue().decode() == f"{','.join(columns())}\n"


def test_parts_of_a_long_table_have_one_header(store, monkeypatch):
    records = list(store.records())
    whole, parts = io.BytesIO(), io.BytesIO()
    write_csv(records, whole)
    monkeypatch.setattr("ltbench.exchange.export.ROWS", 3)
    assert write_csv(records, parts) == 10
    assert parts.getvalue() == whole.getvalue()


def test_without_pyarrow_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(LtbenchError, match=r"pip install pyarrow.*--format csv"):
        check_parquet()


def test_every_field_of_a_record_has_a_column():
    first = {name.partition(".")[0] for name in columns()}
    assert first == set(Record.model_fields)
