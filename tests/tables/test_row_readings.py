"""What a table says of its rows by other readings of what the papers leave open."""

import dataclasses

import pytest

from ltbench.runs.store import Cell
from ltbench.statistics.estimates import mean_interval
from ltbench.tables.claims import load_claims, shipped_readings
from ltbench.tables.definition import TableRow, load
from ltbench.tables.grid import grid_of, with_reading_notes
from ltbench.tables.shipped import shipped
from ltbench.tables.write.files import markdown
from ltbench.tables.write.latex import latex

NOTE = "CE + GKP, read otherwise (Fisher as printed, divided by n_j twice): "
PRINTED = "ce+gkp(fisher='printed')"
ACCURACIES = (38.0, 39.0, 41.0)


def write(store, make_record, method, seeds=(0, 1, 2)):
    for seed in seeds:
        top1 = ACCURACIES[seed]
        store.write(make_record(method, seed, top1, shots=(top1 + 20, top1, top1 - 20)))


def notes(table, store):
    return with_reading_notes(grid_of(table, store), store).readings


def test_a_reading_with_records_is_a_note_in_every_form(store, make_record):
    table = load("4")
    write(store, make_record, "ce")
    assert notes(table, store) == ()
    write(store, make_record, PRINTED)
    grid = with_reading_notes(grid_of(table, store), store)
    (note,) = grid.readings
    mean = mean_interval(ACCURACIES)
    assert note.startswith(NOTE)
    assert note.endswith(f"; all {mean.text(1)} (n = 3).")
    assert f"many {mean.mean + 20:.1f} ± {mean.half_width:.1f} (n = 3); medium" in note
    assert grid.notes == [*table.definition.notes, note]
    assert "- CE + GKP, read otherwise" in markdown(grid)
    assert "CE + GKP, read otherwise" in latex(grid)


def test_a_reading_of_some_seeds_says_how_many(store, make_record):
    write(store, make_record, PRINTED, seeds=(0,))
    (note,) = notes(load("4"), store)
    values = "many 58.0 (n = 1); medium 38.0 (n = 1); few 18.0 (n = 1); all 38.0 (n = 1)"
    assert note == f"{NOTE}{values}."


def test_a_reading_that_reads_all_test_images_says_so(store, make_record):
    said = ["transductive: it reads all test images"]
    for seed in range(3):
        record = make_record(PRINTED, seed, 38.0 + seed)
        store.write(record.model_copy(update={"deviations": said}))
    (note,) = notes(load("4"), store)
    assert "(n = 3, transductive)" in note


def test_a_reading_changes_no_cell_and_no_verdict(store, make_record):
    table = load("4")
    for method in ("ce", "ce+gkp"):
        write(store, make_record, method)
    before = grid_of(table, store)
    write(store, make_record, PRINTED)
    after = with_reading_notes(grid_of(table, store), store)
    assert after.readings
    assert dataclasses.replace(after, readings=()) == before


def test_a_record_that_does_not_read_is_a_problem_of_the_table(store, make_record):
    table = load("4")
    write(store, make_record, PRINTED)
    path = store.path(Cell.of(make_record(PRINTED, 1, 39.0)))
    path.write_text("{")
    grid = with_reading_notes(grid_of(table, store), store)
    assert grid_of(table, store).problems == ()
    assert [path.name in problem for problem in grid.problems] == [True]
    assert "all 39.5 (n = 2)" in grid.readings[0]


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([{"method": "ce+gkp"}], 1),
        ([{"method": "ce+gkp"}, {"method": PRINTED}], 0),
        ([{"method": "ce+gkp", "by_dataset": {"cifar10_lt": PRINTED}}], 1),
    ],
)
def test_what_is_a_row_of_the_column_is_no_other_reading(store, make_record, rows, count):
    """A method that a row has on one data set alone is a reading on the others."""
    table = load("1")
    made = [TableRow(label=f"row {place}", **row) for place, row in enumerate(rows)]
    definition = table.definition.model_copy(update={"rows": made})
    write(store, make_record, PRINTED)
    assert len(notes(dataclasses.replace(table, definition=definition), store)) == count


def test_a_table_of_ones_own_has_none(store, make_record):
    table = load("4")
    definition = table.definition.model_copy(update={"paper": None})
    write(store, make_record, PRINTED)
    own = dataclasses.replace(table, definition=definition, reported={})
    assert notes(own, store) == ()


def test_shipped_readings_are_those_of_the_claims():
    assert list(shipped_readings()) == load_claims([load(name) for name in shipped()]).readings
