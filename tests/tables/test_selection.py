"""`--select`: another epoch for the whole table, and its caption and files say so."""

import pytest

from ltbench.errors import UsageError
from ltbench.tables.definition import load, selecting
from ltbench.tables.grid import build
from ltbench.tables.selection import Selection
from ltbench.tables.write.files import long_csv, markdown

VALIDATED = "paper(validation=2)"


def test_best_on_test_is_another_file_and_says_optimistic(table, store, make_record):
    store.write(make_record("ce", 0, 38.0, best=39.5))
    last, best = build(table, store), build(selecting(table, Selection.BEST_TEST), store)
    assert (last.lines[0][0].reproduced.mean, best.lines[0][0].reproduced.mean) == (38.0, 39.5)
    assert (last.name, best.name) == ("mine", "mine_best_test")
    assert "best epoch on the test set (optimistic)" in best.caption
    assert "last epoch" in last.caption
    assert "optimistic" in markdown(best)
    assert ",best_test," in long_csv(best)


def test_its_name_also_tells_the_protocol(table, store):
    chosen = selecting(table, Selection.BEST_TEST, "fast")
    assert build(chosen, store, "fast").name == "mine_best_test_fast"


def test_the_tables_own_choice_is_the_table_itself(table):
    assert selecting(table, Selection.LAST) is table


def test_validation_needs_a_protocol_that_holds_images_out(table, store, make_record):
    with pytest.raises(UsageError, match=r"--protocol 'paper\(validation=2\)'"):
        selecting(table, Selection.VALIDATION)
    record = make_record("ce", 0, 38.0, protocol=VALIDATED)
    store.write(record.model_copy(update={"selected": record.last}))
    grid = build(selecting(table, Selection.VALIDATION, VALIDATED), store, VALIDATED)
    assert grid.lines[0][0].reproduced.mean == 38.0
    assert "held-out training images" in grid.caption


@pytest.mark.usefixtures("places_unread")
def test_data_sets_that_cannot_be_read_hold_nothing_up():
    assert selecting(load("cc_sam/2"), Selection.VALIDATION).name == "cc_sam_table2_validation"
    mixed = load("cc_sam/3")  # of three data sets, Places-LT alone cannot be read
    chosen = selecting(mixed, Selection.VALIDATION, VALIDATED)
    assert chosen.name == "cc_sam_table3_validation"
