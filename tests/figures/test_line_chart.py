"""Points of sweeps and of accuracy over imbalance, from grids of made records."""

import csv
import io

import pytest

from ltbench.errors import UsageError
from ltbench.figures.definition import figures
from ltbench.figures.line_chart import FIELDS, as_csv, line_chart
from ltbench.tables.grid import grid_of

HUNDRED = "cifar100_lt(imbalance=100)"


def made(name, store, protocol=None):
    (figure,) = figures(name)
    return line_chart(figure, grid_of(figure.table, store, protocol))


def test_a_sweep_is_over_the_number_that_labels_end_in(store, make_record):
    for seed, top1 in enumerate((50.0, 51.0, 52.0)):
        store.write(make_record("bcl+gsa(scale=0.001)", seed, top1))
    found = made("figure8", store, "paper")
    (panel,) = found.panels
    assert panel.ticks == [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    reported = {point.x: point.entry.reported for point in found.points}
    assert reported == {0.1: 50.5, 0.01: 52.5, 0.001: 52.1, 0.0001: 52.2, 1e-5: 52.0}
    (point,) = [point for point in found.points if point.entry.reproduced]
    assert (point.x, point.entry.reproduced.mean) == (1e-3, 51.0)
    assert found.reproduced


def test_a_sweep_has_one_panel_a_data_set(store):
    found = made("figure5", store)
    assert [panel.title for panel in found.panels] == [
        "CIFAR-10-LT, r = 100",
        "CIFAR-100-LT, r = 100",
    ]
    assert [panel.ticks for panel in found.panels] == [list(range(1, 11))] * 2
    assert not found.reproduced


def test_data_sets_of_one_ratio_are_titled_without_it(store):
    titles = [panel.title for panel in made("figure7", store).panels]
    assert titles == ["ImageNet-LT", "iNaturalist 2018"]


def test_lines_over_imbalance_have_the_tables_values(store):
    found = made("imbalance", store)
    assert [panel.title for panel in found.panels] == ["CIFAR-100-LT", "CIFAR-10-LT"]
    lines = {series.label: series.points for series in found.panels[0].series}
    assert [(p.x, p.entry.reported) for p in lines["CE (Baseline)"]] == [
        (10, 55.7), (50, 43.9), (100, 38.3),
    ]  # fmt: skip
    assert list(lines) == [row.label for row in found.grid.rows]
    assert {resolved.column.metric for resolved in found.grid.columns} == {"top1"}
    assert found.grid.problems == ()


def test_names_tell_protocol_and_data_are_in_the_csv(store, make_record):
    store.write(make_record("ce", 3, 33.0))  # a seed that the table does not name
    store.write(make_record("ce", 1, 30.0, protocol="fast"))
    found = made("imbalance", store, "fast")
    assert found.name == "imbalance_fast"
    lines = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert tuple(lines[0]) == FIELDS
    assert len(lines) == len(found.points) == 2 * 3 * 4
    (ours,) = [line for line in lines if line["reproduced"]]
    assert (ours["x"], ours["reported"], ours["reproduced"]) == ("100", "38.3", "30.0000")
    assert (ours["n"], ours["seeds"], ours["status"]) == ("1", "1", "proxy")


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sweeps:\n  - {name: a, table: '4', axis: x}\n", "does not end in the number"),
        ("imbalance:\n  - {name: a, table: '4', rows: [CE]}\n", "at several imbalance ratios"),
        ("imbalance:\n  - {name: a, table: '1', rows: [Cee]}\n", "unknown row of table 1 'Cee'"),
    ],
)
def test_tables_that_give_no_points_are_refused(tmp_path, store, text, words):
    with pytest.raises(UsageError, match=words):
        made(written(tmp_path, text), store)
