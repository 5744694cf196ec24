"""A row's scores: by the shot groups of its data set, or by those that its paper takes."""

import pytest

from ltbench.errors import UsageError
from ltbench.evaluation.selection import Selection
from ltbench.runs.record import DataFacts, Scores
from ltbench.tables.cells import Reader, ResolvedColumn, scores
from ltbench.tables.definition import load, selecting
from ltbench.tables.grid import grid_of
from ltbench.tables.ledger import ledger_of
from ltbench.tables.write.files import markdown
from ltbench.tables.write.ledger import fields

COUNTS, CORRECT = (500, 98, 20, 19, 5), (90, 60, 30, 20, 1)  # of 100 test images each
GROUPED = {  # by hand: the mean over the classes that belong to a group
    None: {"many": 90.0, "medium": 45.0, "few": 10.5},  # 500 | 98, 20 | 19, 5
    (100, 21): {"many": 90.0, "medium": 60.0, "few": 17.0},  # 500 | 98 | 20, 19, 5
    (97, 19): {"many": 75.0, "medium": 25.0, "few": 1.0},  # 500, 98 | 20, 19 | 5
    (600, 5): {"medium": 40.2},  # all: 500, 98, 20, 19, 5 || none fewer than 5
}


@pytest.fixture
def regrouped(store, make_record):
    """Return a function that makes Table 1 with thresholds of its CE, and the store of its run."""
    own = {"many": 90.0, "medium": 45.0, "few": 10.5}
    made = make_record("ce", 0, 40.2)
    data = DataFacts(class_counts=COUNTS, indices_sha256="0", many_above=100, few_below=20,
                     test_images=500)  # fmt: skip
    last = Scores(epoch=200, top1=40.2, **own, calibration_error=5.0, correct=CORRECT,
                  total=(100,) * 5)  # fmt: skip
    store.write(made.model_copy(update={"data": data, "last": last, "best": None}))

    def of(thresholds):
        table = load("1")
        first, *rest = table.definition.rows
        row = first.model_copy(update={"thresholds": thresholds})
        table.definition.rows[:] = [row, *rest]
        return table

    return of


@pytest.mark.parametrize("thresholds", GROUPED)
def test_shot_groups_are_a_rows_own_and_top1_is_of_all_classes(store, regrouped, thresholds):
    table = regrouped(thresholds)
    found = {}
    for column in table.definition.columns:
        if column.dataset == "cifar100_lt(imbalance=100)":
            resolved = ResolvedColumn.of(table, column)
            row = table.definition.rows[0]
            found |= {column.metric: scores(Reader(store), table, row, resolved, [0, 1])}
    assert found.pop("top1") == {0: 40.2}
    expected = {metric: {0: value} for metric, value in GROUPED[thresholds].items()}
    assert found == {"many": {}, "medium": {}, "few": {}} | expected
    table = selecting(table, Selection.BEST_TEST)
    assert scores(Reader(store), table, row, resolved, [0]) == {}  # the record has no such epoch


def test_table_and_ledger_say_whose_groups_are_other_ones(store, regrouped):
    table = regrouped((97, 19))
    shown = markdown(grid_of(table, store))
    assert "many above 97 training images, few below 19" in shown
    (line,) = [line for line in shown.splitlines() if line.startswith("| CE (Baseline)")]
    assert [cell.split("<br>")[1] for cell in line.split("|")[-4:-1]] == [
        "75.0 (1)", "25.0 (1)", "1.0 (1)",
    ]  # fmt: skip
    rows = [fields(row) for row in ledger_of([table], None, store).cells if row.row[:2] == "CE"]
    assert {(row["metric"], row["thresholds"], row["over_thresholds"]) for row in rows} == {
        ("top1", None, None), *((shot, "97,19", None) for shot in ("many", "medium", "few")),
    }  # fmt: skip


def test_a_table_without_shot_groups_says_nothing_of_whose_they_are(store, regrouped):
    table = regrouped((97, 19))
    table.definition.columns[:] = [
        each for each in table.definition.columns if each.metric == "top1"
    ]
    assert not any("Shot groups of" in note for note in grid_of(table, store).notes)


def test_thresholds_of_images_with_several_labels_are_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "title: T\nseeds: [0]\ncolumns:\n  - {header: mAP, dataset: digits_mosaic, metric: mAP}\n"
        "rows:\n  - {label: BCE, method: bce, thresholds: [100, 21]}\n"
    )
    with pytest.raises(UsageError, match=r"thresholds of BCE are for one label an image; remove"):
        load(str(path))
