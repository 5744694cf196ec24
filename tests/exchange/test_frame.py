"""Records as a pandas table."""

import subprocess
import sys

import pytest

import ltbench
from ltbench.exchange.flat import columns
from ltbench.runs.store import Store


def test_a_row_a_record_and_a_column_a_field(make_record, results):
    store = Store(str(results))  # a string, as a notebook has it
    for seed, top1 in ((0, 90.0), (1, 92.0)):
        store.write(make_record("ce", seed, top1))
    table = ltbench.records(str(results))
    assert list(table.columns) == list(columns())
    assert list(table["seed"]) == [0, 1]
    assert table["last.top1"].mean() == 91.0
    assert table["selected.top1"].isna().all()  # nothing was held out
    assert isinstance(table["last.correct"][0], list)
    assert table["last.epoch"].dtype == table["best.epoch"].dtype == "Int64"
    assert table["best.epoch"].isna().all()  # an integer, though it is missing
    assert table["environment.dirty"].dtype == "boolean"


def test_a_table_without_records_has_its_columns(results):
    table = ltbench.records(results)
    assert len(table) == 0
    assert list(table.columns) == list(columns())


def test_a_record_that_does_not_read_is_named(make_record, results):
    store = Store(results)
    store.write(make_record("ce", 0, 90.0))
    broken = store.write(make_record("ce", 1, 90.0))
    broken.write_text("{")
    with pytest.warns(UserWarning, match=r"left out: .*seed1\.json does not read"):
        table = ltbench.records(results)
    assert list(table["seed"]) == [0]


def test_the_public_names_load_on_use_and_reading_needs_no_torch(results):
    script = (
        "import sys, ltbench\n"
        "assert not {'torch', 'pandas', 'numpy'} & sys.modules.keys()\n"
        f"assert len(ltbench.records({str(results)!r})) == 0\n"
        "assert 'pandas' in sys.modules and 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
