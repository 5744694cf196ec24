"""`ltbench table`: its options, on an empty store."""

import shutil

import pytest

from ltbench.analysis.results import Result, as_csv, path_of
from ltbench.runs.files import write_text
from ltbench.runs.store import Cell, Store


def test_select_writes_files_of_its_own(ltbench, home):
    answer = ltbench("table", "5", "--select", "best_test")
    assert answer.code == 0
    assert "best epoch on the test set (optimistic)" in answer.out
    written = sorted(path.name for path in (home / "results" / "tables").iterdir())
    assert written == [f"table5_best_test.{suffix}" for suffix in ("csv", "md", "tex")]


def test_more_seeds_make_files_of_their_own(ltbench, home):
    answer = ltbench("table", "5", "--seeds", 5, "--select", "best_test")
    assert (answer.code, answer.err.count("Traceback")) == (0, 0)
    assert "over n = 5 seeds" in " ".join(answer.out.split())
    assert "--seeds 0,1,2,3,4" in answer.out
    written = sorted(path.name for path in (home / "results" / "tables").iterdir())
    assert written == [f"table5_best_test_seeds5.{suffix}" for suffix in ("csv", "md", "tex")]
    assert ltbench("table", "5", "--seeds", 2).code == 2


@pytest.mark.parametrize(("options", "aligned"), [((), False), (("--siunitx",), True)])
def test_siunitx_is_optional(ltbench, home, options, aligned):
    ltbench("table", "5", "--quiet", *options)
    text = (home / "results" / "tables" / "table5.tex").read_text()
    assert (r"\sisetup" in text) == aligned


def test_details_write_nothing(ltbench, home):
    answer = ltbench("table", "5", "--details")
    assert answer.code == 0
    assert "No cell has a record yet" in answer.out
    assert list(home.iterdir()) == []


def test_selection_that_cannot_be_is_refused(refused):
    sentence = refused("table", "5", "--select", "validation")
    assert "holds no training images out" in sentence
    assert "--validation 2" in sentence
    refused("table", "5", "--select", "validation", "--protocol", "slow")


TABLE = """
title: Mine
protocol: paper
seeds: [0]
columns: [{header: all, dataset: cifar100_lt}]
rows: [{label: CE, method: ce}, {label: Mine, method: mine(size=1)+sam}]
"""


def test_a_method_of_ones_own_counts(ltbench, home, method_file, make_record):
    (home / "mine.yaml").write_text(TABLE)
    path = method_file("mine", "size: float = 2.0")
    bare = ltbench("table", "mine.yaml", "--coverage").out
    assert "this version has no mine" in bare
    assert "1 of 2 rows have a specification that runs." in bare
    given = ltbench("table", "mine.yaml", "--coverage", "--load", path).out
    assert "2 of 2 rows have a specification that runs." in given
    Store(home / "results").write(make_record("mine(size=1.0)+sam", 0, 38.0))
    shown = ltbench("table", "mine.yaml", "--load", path).out
    assert "Cells: 1 complete, 1 not run." in shown
    assert "does not have" not in shown
    for words in (("ledger",), ("report",), ("figure", "5")):
        assert ltbench(*words, "--load", path).code == 0
    shutil.rmtree(home / "results")
    assert (
        '"method": "mine(size=1.0)+sam"'
        in ltbench("plan", "table", "mine.yaml", "--json", "--load", path, "--seeds", "2").out
    )


def test_what_analyses_say_is_written_or_it_is_said_what_makes_them(ltbench, home):
    for option, analysis in (("--flatness", "hessian"), ("--open-set", "openset")):
        answer = ltbench("table", "1", option)
        assert answer.code == 1
        assert f"`ltbench analyse {analysis}` make them" in answer.err
    store = Store(home / "results")
    cell = Cell("cifar10_lt(imbalance=100)", "fast", "resnet8", "ce", 0)
    header = {"analysis": "hessian", "settings": "", "dataset": cell.dataset, "seed": "0",
              "method": "ce", "protocol": "fast", "network": "resnet8"}  # fmt: skip
    rows = [{"group": 9, "quantity": "lambda_max", "value": 12.5}]
    write_text(path_of(store, cell, "hessian"), as_csv(Result(header, rows)))
    answer = ltbench("table", "1", "--flatness")
    assert answer.code == 0
    assert "12.5" in answer.out
    written = {path.name for path in (home / "results" / "tables").iterdir()}
    assert written == {"table1_flatness.csv", "table1_flatness.md"}
