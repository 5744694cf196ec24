"""Other readings: of claims in the ledger, of rows in the notes of their table."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from consoles import printed

from ltbench.cli.views.ledger import print_ledger
from ltbench.runs.store import Cell, Store
from ltbench.statistics.estimates import mean_interval
from ltbench.tables.claims import Claim, Claims, Reading, load_claims, shipped_readings
from ltbench.tables.definition import TableRow, load
from ltbench.tables.grid import grid_of
from ltbench.tables.ledger import ledger_of, with_readings
from ltbench.tables.ledger_claims import with_reading_notes
from ltbench.tables.shipped import shipped
from ltbench.tables.write.files import markdown
from ltbench.tables.write.latex import latex
from ltbench.tables.write.ledger import as_json

CLAIM = {
    "claim": "SAM adds 2", "paper": "P", "source": "S", "table": "mine", "column": "r=50",
    "method": "ce+sam", "over": "ce", "gain": 2.0,
}  # fmt: skip
CIFAR10 = "cifar10_lt(imbalance=50)"
NOTE = "CE + GKP, read otherwise (Fisher as printed, divided by n_j twice): "
PRINTED = "ce+gkp(fisher='printed')"
ROOT = Path(__file__).parents[2]
ACCURACIES = (38.0, 39.0, 41.0)
READING = {"reading": "a wider radius", "terms": ["sam(rho=0.3)"]}


def write(store, make_record, method, values):
    for seed, top1 in enumerate(values):
        store.write(make_record(method, seed, top1, dataset=CIFAR10))


def test_readings_are_judged_as_if_they_were_the_default(table, store, make_record):
    """Independent: the same claims, with the reading's method written into them."""
    plain = [CLAIM, CLAIM | {"claim": "F", "method": "focal", "gain": 9.0}]
    written = [plain[0] | {"method": "ce+sam(rho=0.3)"}, plain[1]]
    for method, values in {
        "ce": [70.0, 70.4, 69.6], "focal": [70.1, 70.5, 69.6], "ce+sam": [60.1, 60.3, 60.0],
        "ce+sam(rho=0.3)": [72.1, 72.4, 71.6],
    }.items():  # fmt: skip
        write(store, make_record, method, values)
    claims, readings = [Claim(**each) for each in plain], [Reading(**READING)]
    ledger = ledger_of([table], Claims(claims=claims, readings=readings), store)
    default, other = ledger.claims
    (read,) = ledger.readings
    first, _ = ledger_of([table], Claims(claims=[Claim(**each) for each in written]), store).claims
    assert (read.kind, read.reading, read.row) == ("reading", "a wider radius", default.row)
    assert replace(read, kind="claim", reading="") == first
    assert (read.verdict.word, default.verdict.word) == ("holds", "differs")
    assert default.other_readings == "by our default reading; other readings: 1 holds"
    assert (other.verdict.word, other.other_readings) == ("differs", "")
    assert list(with_readings(ledger)) == [default, read, other]
    shown = " ".join(printed(print_ledger, ledger).split())
    assert "read as: a wider radius +2.0 +2.0" in shown


def test_readings_without_records_are_counted_and_not_shown(table, store, make_record):
    write(store, make_record, "ce", [70.0, 70.4, 69.6])
    write(store, make_record, "ce+sam", [60.1, 60.3, 60.0])
    claims = Claims(claims=[Claim(**CLAIM)], readings=[Reading(**READING)])
    ledger = ledger_of([table], claims, store)
    assert [line.verdict.word for line in ledger.readings] == ["not run"]
    assert list(with_readings(ledger)) == list(ledger.claims)
    (claim,) = ledger.claims
    assert claim.other_readings == "by our default reading; other readings: 1 not run"
    assert "1 other reading of claims without runs" in printed(print_ledger, ledger)
    assert json.loads(as_json(ledger))["readings"][0]["reading"] == "a wider radius"


def test_a_claim_whose_default_has_not_run_stands_above_a_reading_that_has(
    table, store, make_record
):
    write(store, make_record, "ce", [70.0, 70.4, 69.6])
    write(store, make_record, "ce+sam(rho=0.3)", [72.1, 72.4, 71.6])
    claims = Claims(claims=[Claim(**CLAIM)], readings=[Reading(**READING)])
    ledger = ledger_of([table], claims, store)
    (claim,) = ledger.claims
    assert (claim.verdict.word, claim.reproduced) == ("not run", None)
    assert claim.other_readings == "by our default reading; other readings: 1 holds"
    lines = printed(print_ledger, ledger).splitlines()
    (parent,) = (index for index, line in enumerate(lines) if line.startswith("SAM adds 2"))
    assert lines[parent + 1].split()[:5] == ["read", "as:", "a", "wider", "radius"]


def write_shots(store, make_record, method, seeds=(0, 1, 2)):
    for seed in seeds:
        top1 = ACCURACIES[seed]
        store.write(make_record(method, seed, top1, shots=(top1 + 20, top1, top1 - 20)))


def notes(table, store):
    return with_reading_notes(grid_of(table, store), store).readings


def test_a_reading_with_records_is_a_note_in_every_form(store, make_record):
    table = load("4")
    write_shots(store, make_record, "ce")
    assert notes(table, store) == ()
    write_shots(store, make_record, PRINTED)
    grid = with_reading_notes(grid_of(table, store), store)
    (note,) = grid.readings
    mean = mean_interval(ACCURACIES)
    assert note.startswith(NOTE)
    assert note.endswith(f"; all {mean.text(1)} (n = 3).")
    assert f"many {mean.mean + 20:.1f} ± {mean.half_width:.1f} (n = 3); medium" in note
    own, regrouped = grid.notes[:-2], grid.notes[-2]
    assert (own, grid.notes[-1]) == (table.definition.notes, note)
    assert regrouped.startswith("Shot groups of CE as they seem to be reported: ")
    assert "- CE + GKP, read otherwise" in markdown(grid)
    assert "CE + GKP, read otherwise" in latex(grid)


def test_a_reading_of_some_seeds_says_how_many(store, make_record):
    write_shots(store, make_record, PRINTED, seeds=(0,))
    (note,) = notes(load("4"), store)
    values = "many 58.0 (n = 1); medium 38.0 (n = 1); few 18.0 (n = 1); all 38.0 (n = 1)"
    assert note == f"{NOTE}{values}."


def test_a_reading_that_reads_all_test_images_says_so(store, make_record):
    said = ["transductive: it reads all test images"]
    for seed in range(3):
        record = make_record(PRINTED, seed, 38.0 + seed)
        store.write(record.model_copy(update={"deviations": said}))
    grid = with_reading_notes(grid_of(load("4"), store), store)
    (note,) = grid.readings
    assert "(n = 3, transductive)" in note
    assert [PRINTED in remark for remark in grid.remarks] == [True]


def test_a_reading_changes_no_cell_and_no_verdict(store, make_record):
    table = load("4")
    for method in ("ce", "ce+gkp"):
        write_shots(store, make_record, method)
    before = grid_of(table, store)
    write_shots(store, make_record, PRINTED)
    after = with_reading_notes(grid_of(table, store), store)
    assert after.readings
    assert replace(after, readings=()) == before


def test_a_record_that_does_not_read_is_a_problem_of_the_table(store, make_record):
    table = load("4")
    write_shots(store, make_record, PRINTED)
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
    write_shots(store, make_record, PRINTED)
    assert len(notes(replace(table, definition=definition), store)) == count


def test_a_table_of_ones_own_has_none(store, make_record):
    table = load("4")
    definition = table.definition.model_copy(update={"paper": None})
    write_shots(store, make_record, PRINTED)
    own = replace(table, definition=definition, reported={})
    assert notes(own, store) == ()


def test_shipped_readings_are_those_of_the_claims():
    assert list(shipped_readings()) == load_claims([load(name) for name in shipped()]).readings


def test_json_is_ascii_for_terminals_of_any_encoding(table, store):
    claims = Claims(claims=[Claim(**CLAIM)], readings=[Reading(**READING | {"reading": "± 2"})])
    text = as_json(ledger_of([table], claims, store))
    assert text.isascii()
    assert json.loads(text)["readings"][0]["reading"] == "± 2"


@pytest.mark.parametrize("protocol", ["paper", "fast"])
def test_a_gain_on_other_classes_is_never_tested_and_stands_on_the_same_ones(store, protocol):
    committed = Store(ROOT / "results")
    for method in ("ce", "ce+gkp"):
        for seed in range(3):
            cell = Cell("cifar100_lt(imbalance=100)", "paper", "resnet32", method, seed)
            store.write(committed.read(cell).model_copy(update={"protocol": protocol}))
    tables = [load(name) for name in sorted(shipped())]
    lines = {line.row: line for line in ledger_of(tables, load_claims(tables), store).claims}
    few = lines["GKP adds only 0.2 points to cross-entropy on the few-shot classes"]
    many = lines["GKP adds 5.9 points to cross-entropy on the many-shot classes"]
    assert (few.protocol, many.protocol) == (protocol, protocol)
    assert (few.p_gain, few.p_flip, few.superiority) == (None, None, None)
    assert many.p_gain is not None
    assert many.same_classes is None
    assert few.same_classes.text(1) == "-7.4 ± 2.4"


def test_a_value_says_by_which_of_several_readings_its_records_are(store, make_record):
    tables = [load(name) for name in sorted(shipped())]
    for method in ("ce", "ce+gkp"):
        write_shots(store, make_record, method)
    cells = ledger_of(tables, load_claims(tables), store).cells
    said = {line.specification: line.other_readings for line in cells if line.reproduced}
    assert said == {"ce": "", "ce+gkp": "by our default reading"}
    shown = printed(print_ledger, ledger_of(tables, load_claims(tables), store), width=80)
    assert "by our default reading: CE + GKP" in shown
    assert not any(line.other_readings for line in cells if line.specification == "bcl+gkp")
