"""What a table lacks: commands that fill it, and rows that cannot run, with their reason."""

import shlex
from collections import Counter
from pathlib import Path

import pytest
import yaml
from consoles import printed

from ltbench.cli.views.coverage import print_coverage
from ltbench.registry import signatures
from ltbench.registry.signatures import names
from ltbench.runs.store import Store
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of
from ltbench.tables.missing import (
    commands,
    coverage,
    fillable,
    rows_left_out,
    runnable,
    unavailable,
)
from ltbench.tables.shipped import folder, shipped

METHODS = {"ce", "sam"}


@pytest.fixture(autouse=True)
def _no_records(tmp_path, monkeypatch):
    """The commands name the folder `results` of wherever they are given: here it is empty."""
    monkeypatch.chdir(tmp_path)


def test_one_command_a_data_set(table):
    assert commands(grid_of(table, Store(Path("results"))), METHODS) == [
        "ltbench run --methods 'ce,ce+sam(rho=0.1)' --dataset cifar100_lt --imbalance 100 "
        "--seeds 0,1,2",
        "ltbench run --methods 'ce,ce+sam(rho=0.1)' --dataset cifar10_lt --imbalance 50 "
        "--seeds 0,1,2",
    ]


def test_plain_names_need_no_quotes(mine):
    mine.write_text(mine.read_text().replace("ce + sam(rho=0.10)", "ce+sam"))
    first, _ = commands(grid_of(load(str(mine)), Store(Path("results"))), METHODS)
    assert first.startswith("ltbench run --methods ce,ce+sam --dataset")


def test_what_cannot_run_has_no_command(table):
    grid = grid_of(table, Store(Path("results")))
    assert unavailable(grid, METHODS) == ["not_written"]
    assert [shlex.split(line)[3] for line in commands(grid, {"ce"})] == ["ce", "ce"]
    assert commands(grid, {"sam"}) == []


def test_rows_that_no_method_here_fills_are_named_once(table):
    (sentence,) = rows_left_out(table, METHODS)
    assert "rows of not_written are left out" in sentence
    (sentence,) = rows_left_out(table, {"sam"})
    assert "rows of ce, not_written are left out" in sentence
    assert rows_left_out(table, {*METHODS, "not_written"}) == []


def test_only_what_lacks_is_run(table, make_record):
    store = Store(Path("results"))
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0))
    first, second = commands(grid_of(table, store), METHODS)
    assert shlex.split(first)[3] == "ce+sam(rho=0.1)"
    assert shlex.split(second)[3] == "ce,ce+sam(rho=0.1)"
    for seed in range(3):
        store.write(make_record("ce", seed, 38.0, dataset="cifar10_lt(imbalance=50)"))
    assert not any("ce," in line for line in commands(grid_of(table, store), METHODS))


def test_full_table_needs_nothing(table, store, make_record):
    for method in ("ce", "ce+sam(rho=0.1)", "not_written"):
        for dataset in ("cifar100_lt(imbalance=100)", "cifar10_lt(imbalance=50)"):
            for seed in range(3):
                store.write(make_record(method, seed, 38.0, dataset=dataset))
    grid = grid_of(table, store)
    assert commands(grid, METHODS) == []
    assert unavailable(grid, METHODS) == []


@pytest.mark.parametrize(
    ("old", "new", "protocol", "words"),
    [
        ("title", "title", "fast", "--protocol fast"),
        ("title", "title", "fast(epochs=3)", "--protocol 'fast(epochs=3)'"),
        ("protocol: paper", "network: resnet8", None, "--network resnet8"),
        ("[0, 1, 2]", "[4]", None, "--seeds 4,"),
        ("[0, 1, 2]", "[4, 0]", None, "--seeds 4,0"),
        ("imbalance=50", "imbalance=2.5", None, "--dataset cifar10_lt --imbalance 2.5"),
    ],
)
def test_options_that_differ_from_the_defaults(mine, old, new, protocol, words):
    mine.write_text(mine.read_text().replace(old, new))
    grid = grid_of(load(str(mine)), Store(Path("results")), protocol)
    assert words in "\n".join(commands(grid, METHODS))


def test_another_results_folder_is_named(table):
    for line in commands(grid_of(table, Store(Path("my results"))), METHODS):
        assert line.endswith("--results 'my results'")


def screen(table, methods=METHODS) -> str:
    return printed(print_coverage, table, methods)


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


def test_the_command_shows_the_coverage_and_writes_nothing(tmp_path, monkeypatch, capsys):
    from ltbench.cli import app

    monkeypatch.chdir(tmp_path)
    app(["table", "1", "--coverage"], standalone_mode=False)
    assert "of 22 rows have a specification that runs." in capsys.readouterr().out
    assert list(Path(tmp_path).iterdir()) == []


def test_what_a_paper_leaves_out_of_a_row_is_not_missing():
    table = load("1")
    grid = grid_of(table, Store(Path("results")))
    ordered = {
        (method, str(data)) for (data, _, _), found in runnable(grid, names()).items()
        for method in found
    }  # fmt: skip
    rows = {row.label: row for row in table.definition.rows if row.method}
    assert ("ride", "cifar100_lt(imbalance=100)") in ordered
    assert ("ride", "cifar100_lt(imbalance=50)") not in ordered  # RIDE has r = 100 alone
    wanted = {
        (rows[key.method].method_on(column.data), column.dataset)
        for key in table.reported for column in table.definition.columns
        if key.method in rows and table.key(rows[key.method], column) == key
    }  # fmt: skip
    assert ordered == wanted
    counts = Counter(entry.status for line in grid.lines for entry in line)
    assert counts["not run"] == 81


def test_a_row_of_ones_own_in_a_papers_table_runs_everywhere(tmp_path):
    copied = yaml.safe_load((folder() / "table1.yaml").read_text())
    copied["rows"].append({"label": "mine", "method": "ce+sam"})
    copied["reported"] = str(folder() / copied["reported"])
    path = tmp_path / "copied.yaml"
    path.write_text(yaml.safe_dump(copied))
    found = fillable(grid_of(load(str(path)), Store(Path("results"))), names())
    assert len(found) == 6
    assert all("ce+sam" in methods for methods in found.values())


def test_the_row_that_costs_are_relative_to_runs_wherever_another_does(tmp_path):
    columns = "".join(
        f"  - {{header: '{r} {metric}', dataset: cifar100_lt(imbalance={r}), metric: {metric}}}\n"
        for r in (100, 50) for metric in ("top1", "cost")
    )  # fmt: skip
    (tmp_path / "own.yaml").write_text(
        f"title: Own\nprotocol: paper\nseeds: [0]\nreported: own.csv\ncolumns:\n{columns}"
        "rows:\n  - {label: CE, method: ce}\n  - {label: SAM, method: ce+sam}\n"
        "  - {label: Focal, method: focal}\n"
    )
    head = "table,method,venue,dataset,backbone,imbalance_ratio,split,metric,value"
    lines = [
        f"own,{label},,CIFAR-100-LT,ResNet-32,{ratio},all,top1_acc_pct,50"
        for label, ratio in (("CE", 100), ("SAM", 50), ("Focal", 100))
    ]
    (tmp_path / "own.csv").write_text("\n".join([head, *lines]) + "\n")
    grid = grid_of(load(str(tmp_path / "own.yaml")), Store(Path("results")))
    found = {str(data): methods for (data, _, _), methods in fillable(grid, names()).items()}
    assert set(found["cifar100_lt(imbalance=50)"]) >= {"ce", "ce+sam"}
