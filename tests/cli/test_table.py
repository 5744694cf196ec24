"""`ltbench table`: its options, on an empty store."""

import pytest


def test_select_writes_files_of_its_own(ltbench, home):
    answer = ltbench("table", "5", "--select", "best_test")
    assert answer.code == 0
    assert "best epoch on the test set (optimistic)" in answer.out
    written = sorted(path.name for path in (home / "results" / "tables").iterdir())
    assert written == [f"table5_best_test.{suffix}" for suffix in ("csv", "md", "tex")]


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
