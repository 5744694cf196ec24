"""Curves of trainings from made files beside records."""

import csv
import io

import pytest

from ltbench.errors import LtbenchError, UsageError
from ltbench.figures.curves import FIELDS, as_csv, curve_chart
from ltbench.figures.definition import figures
from ltbench.figures.draw_curves import draw_curves
from ltbench.figures.make import make
from ltbench.figures.style import COLOURS, style
from ltbench.runs.unit import PLACES

HEADER = "epoch,stage,learning_rate,loss,top1,seconds"
LOGGED = "epoch,stage,learning_rate,loss,top1,seconds,gkp_gradient"


@pytest.fixture
def figure(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "curves:\n  - {name: mine, title: T, dataset: cifar100_lt, seeds: [0, 1], "
        "methods: [ce, ce+gkp], shows: [loss, gkp_gradient]}\n"
    )
    (found,) = figures(str(path))
    return found


@pytest.fixture
def log(store, make_record):
    """Returns a function that writes a record with curves beside it."""

    def log(method, seed, *lines):
        record = make_record(method, seed, 38.0).model_copy(update={"files": {}})
        store.write(record)
        path = PLACES["curves"](store, record)
        path.write_text("\n".join(lines) + "\n")
        return path

    return log


def test_lines_are_the_columns_of_the_files_by_method_and_seed(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9", "2,train,0.1,3.5,7,18")
    log("ce", 1, HEADER, "1,train,0.1,4.1,5,9")
    log("ce+gkp", 0, LOGGED, "1,train,0.1,4.2,5,9,", "2,train,0.1,3.9,6,18,0.25")
    chart = curve_chart(figure, store)
    assert chart.panels == {
        "loss": {
            "ce": {0: ((1, 4.0), (2, 3.5)), 1: ((1, 4.1),)},
            "ce+gkp": {0: ((1, 4.2), (2, 3.9))},
        },
        "gkp_gradient": {"ce+gkp": {0: ((2, 0.25),)}},
    }
    lines = list(csv.DictReader(io.StringIO(as_csv(chart))))
    assert tuple(lines[0]) == FIELDS
    assert len(lines) == 6
    last = [lines[-1][key] for key in ("quantity", "method", "seed", "epoch", "value")]
    assert last == ["gkp_gradient", "ce+gkp", "0", "2", "0.25"]


def test_a_line_a_seed_in_the_colour_of_the_methods_place(figure, store, log):
    log("ce+gkp", 0, LOGGED, "1,train,0.1,4.0,5,9,0.001", "2,train,0.1,0.5,7,18,0.25")
    log("ce+gkp", 1, LOGGED, "1,train,0.1,4.1,5,9,0.002", "2,train,0.1,0.6,7,18,0.25")
    with style():
        picture = draw_curves(curve_chart(figure, store))
    loss, gradient = picture.axes
    assert [line.get_color() for line in loss.lines] == [COLOURS[1]] * 2
    assert [tuple(line.get_ydata()) for line in loss.lines] == [(4.0, 0.5), (4.1, 0.6)]
    assert (loss.get_yscale(), gradient.get_yscale()) == ("linear", "log")
    made = make(figure, store)
    assert made.remarks == ("Without records, hence left out: ce.",)
    assert {path.name for path in made.files} == {
        f"mine.{end}" for end in ("pdf", "svg", "png", "csv")
    }


def test_a_quantity_that_nothing_logged_is_named_with_those_there_are(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9")
    with pytest.raises(LtbenchError) as caught:
        curve_chart(figure, store)
    expected = "nothing logged 'gkp_gradient'; there are learning_rate, loss, top1."
    assert str(caught.value) == f"figure mine: {expected}"


def test_records_without_curves_and_files_that_do_not_read_are_said(figure, store, log):
    path = log("ce", 0, HEADER, "1,train,0.1,four,5,9")
    with pytest.raises(
        LtbenchError, match=r"seed0\.csv does not read as curves: .*run its cell anew"
    ):
        curve_chart(figure, store)
    path.unlink()
    with pytest.raises(LtbenchError, match="nothing logged 'loss'; no record has curves beside it"):
        curve_chart(figure, store)


def test_a_quantity_shown_twice_is_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    shows = "shows: [loss, loss]"
    path.write_text(
        f"curves: [{{name: m, title: T, dataset: d, seeds: [0], methods: [ce], {shows}}}]"
    )
    with pytest.raises(UsageError, match="shows: it shows a quantity twice; keep one"):
        figures(str(path))
