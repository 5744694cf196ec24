import io
from pathlib import Path

import pytest
from rich.console import Console

from ltbench.api import signatures
from ltbench.api.signatures import names
from ltbench.cli.views.coverage import print_coverage
from ltbench.tables.definition import load, shipped
from ltbench.tables.missing import coverage

METHODS = {"ce", "sam"}


def screen(table, methods=METHODS) -> str:
    file = io.StringIO()
    print_coverage(table, methods, Console(file=file, width=100))
    return file.getvalue()


def test_says_what_runs_and_why_the_rest_does_not(table):
    rows = {row.label: row for row in coverage(table, METHODS)}
    assert rows["[CE]"].runnable
    assert rows["Ours|new*"].specifications == ("ce+sam(rho=0.1)",)
    assert rows["Later"].reason == "this version has no not_written"
    assert (rows["Never"].specifications, rows["Never"].reason) == ((), "needs a secret")
    text = screen(table)
    assert "2 of 4 rows have a specification that runs." in text
    assert "cannot read" not in text


def test_every_specification_of_a_row_counts(mine):
    text = mine.read_text().replace(
        "method: ce}", "method: ce, by_dataset: {cifar10_lt: sam+not_yet}}"
    )
    mine.write_text(text)
    row = coverage(load(str(mine)), METHODS)[0]
    assert row.specifications == ("ce", "sam+not_yet")
    assert row.reason == "this version has no not_yet"


def test_what_another_package_brings_counts(mine, monkeypatch):
    mine.write_text(mine.read_text().replace("not_written", "strangers"))
    assert not coverage(load(str(mine)), names())[2].runnable
    monkeypatch.setattr(signatures, "installed", lambda: frozenset({"strangers"}))
    assert coverage(load(str(mine)), names())[2].runnable


@pytest.mark.usefixtures("places_unread")
def test_data_sets_that_nothing_reads_are_named():
    text = " ".join(screen(load("cc_sam/2"), {"crt"}).split())
    assert "cannot read: Places-LT." in text
    assert "Nothing of it runs: 1 of 5 rows have a specification, and none of the data" in text
    assert "that runs" not in text
    mixed = " ".join(screen(load("cc_sam/3")).split())
    assert "cannot read: Places-LT." in mixed
    assert "1 of 12 rows have a specification that runs." in mixed
    assert "Nothing of it runs" not in mixed


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_row_has_a_specification_or_a_reason(name):
    rows = coverage(load(name), names())
    assert all(row.specifications or row.reason for row in rows)
    assert any(row.runnable for row in rows)


def test_command_shows_it(tmp_path, monkeypatch, capsys):
    from ltbench.cli import app

    monkeypatch.chdir(tmp_path)
    app(["table", "1", "--coverage"], standalone_mode=False)
    assert "of 22 rows have a specification that runs." in capsys.readouterr().out
    assert list(Path(tmp_path).iterdir()) == []
