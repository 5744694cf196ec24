"""What a table says of its rows by other readings of what the papers leave open."""

import dataclasses

from ltbench.statistics.estimates import mean_interval
from ltbench.tables.claims import load_claims, shipped_readings
from ltbench.tables.definition import TableRow, load
from ltbench.tables.grid import grid_of
from ltbench.tables.shipped import shipped
from ltbench.tables.write.files import markdown
from ltbench.tables.write.latex import latex

PRINTED = "ce+gkp(fisher='printed')"
ACCURACIES = (38.0, 39.0, 41.0)


def write(store, make_record, method, seeds=(0, 1, 2)):
    for seed in seeds:
        top1 = ACCURACIES[seed]
        store.write(make_record(method, seed, top1, shots=(top1 + 20, top1, top1 - 20)))


def test_a_reading_with_records_is_a_note_in_every_form(store, make_record):
    table = load("4")
    write(store, make_record, "ce")
    assert grid_of(table, store).readings == ()
    write(store, make_record, PRINTED)
    grid = grid_of(table, store)
    (note,) = grid.readings
    mean = mean_interval(ACCURACIES)
    assert note.startswith("CE + GKP, read otherwise (Fisher as printed, divided by n_j twice): ")
    assert note.endswith(f"all {mean.text(1)}.")
    assert f"many {mean.mean + 20:.1f} ± {mean.half_width:.1f}, medium" in note
    assert grid.notes == [*table.definition.notes, note]
    assert "- CE + GKP, read otherwise" in markdown(grid)
    assert "CE + GKP, read otherwise" in latex(grid)


def test_a_reading_of_some_seeds_says_how_many(store, make_record):
    write(store, make_record, PRINTED, seeds=(0,))
    (note,) = grid_of(load("4"), store).readings
    assert note.endswith("many 58.0 (1), medium 38.0 (1), few 18.0 (1), all 38.0 (1).")


def test_a_reading_changes_no_cell_and_no_verdict(store, make_record):
    table = load("4")
    for method in ("ce", "ce+gkp"):
        write(store, make_record, method)
    before = grid_of(table, store).lines
    write(store, make_record, PRINTED)
    assert grid_of(table, store).lines == before


def test_what_is_a_row_is_no_other_reading(store, make_record):
    table = load("4")
    rows = [*table.definition.rows, TableRow(label="As printed", method=PRINTED)]
    definition = table.definition.model_copy(update={"rows": rows})
    write(store, make_record, PRINTED)
    assert grid_of(dataclasses.replace(table, definition=definition), store).readings == ()


def test_a_table_of_ones_own_has_none(store, make_record):
    table = load("4")
    definition = table.definition.model_copy(update={"paper": None})
    write(store, make_record, PRINTED)
    own = dataclasses.replace(table, definition=definition, reported={})
    assert grid_of(own, store).readings == ()


def test_shipped_readings_are_those_of_the_claims():
    assert list(shipped_readings()) == load_claims([load(name) for name in shipped()]).readings
