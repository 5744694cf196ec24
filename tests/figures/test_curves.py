"""Curves of trainings from made files beside records."""

import csv
import dataclasses
import io

import pytest

from ltbench.errors import LtbenchError, UsageError
from ltbench.evaluation.selection import Selection
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
            "ce": {0: ((1, "train", 4.0), (2, "train", 3.5)), 1: ((1, "train", 4.1),)},
            "ce+gkp": {0: ((1, "train", 4.2), (2, "train", 3.9))},
        },
        "gkp_gradient": {"ce+gkp": {0: ((2, "train", 0.25),)}},
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
    widths = {line.get_linewidth() for line in loss.lines}
    log("ce", 0, LOGGED, "1,train,0.1,4.0,5,,", "2,train,0.1,0.5,7,,")
    with style():
        (first, *others) = draw_curves(curve_chart(figure, store)).axes[0].lines
    assert {line.get_linewidth() for line in others} == widths
    assert first.get_linewidth() > max(widths)  # the base stays visible below what lies on it


def test_a_control_that_logs_zeros_leaves_the_others_their_logarithmic_scale(figure, store, log):
    log("ce+gkp", 0, LOGGED, "1,train,0.1,4.0,5,9,0.001", "2,train,0.1,0.5,7,18,0.25")
    log("ce", 0, LOGGED, "1,train,0.1,4.0,5,9,0.0", "2,train,0.1,0.5,7,18,0.0")
    with style():
        picture = draw_curves(curve_chart(figure, store))
    assert [ax.get_yscale() for ax in picture.axes] == ["linear", "log"]
    said = " ".join(" ".join(text.get_text() for text in picture.texts).split())
    assert "A line that is 0 throughout is not drawn on a logarithmic scale." in said
    log("ce+gkp", 0, LOGGED, "1,train,0.1,4.0,5,9,0.0", "2,train,0.1,0.5,7,18,0.25")
    with style():
        assert draw_curves(curve_chart(figure, store)).axes[1].get_yscale() == "linear"


def test_a_line_is_broken_between_stages_and_a_point_alone_is_seen(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9", "2,train,0.1,3.0,5,9", "3,crt,0.1,9.0,5,9")
    log("ce+gkp", 0, LOGGED, "1,train,0.1,4.2,5,9,0.5")
    with style():
        loss, gradient = draw_curves(curve_chart(figure, store)).axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[1, 2], [3], [1]]
    assert [line.get_marker() for line in loss.lines] == ["None", "o", "o"]
    assert [line.get_marker() for line in gradient.lines] == ["o"]


def test_a_quantity_that_nothing_logged_is_named_with_those_there_are(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9")
    log("ce+gkp", 0, HEADER, "1,train,0.1,4.0,5,9")
    with pytest.raises(LtbenchError) as caught:
        curve_chart(figure, store)
    expected = "nothing logged 'gkp_gradient'; there are learning_rate, loss, top1."
    assert str(caught.value) == f"figure mine: {expected}"


def test_a_panel_of_a_method_without_records_is_left_out_and_said(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9")
    made = make(figure, store)
    assert made.remarks == (
        "Without records, hence left out: ce+gkp.",
        "Nothing logged gkp_gradient, hence no panel of it.",
    )


def test_records_without_curves_are_named_and_not_counted(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9")
    path = log("ce", 1, HEADER, "1,train,0.1,4.0,5,9")
    path.unlink()
    chart = curve_chart(figure, store)
    assert chart.remarks[-1] == "1 record without curves beside: ce, seed 1."
    with style():
        (caption,) = (t for t in words(draw_curves(chart)) if t.startswith("A line is"))
    assert "ce (n\u00a0=\u00a01)" in caption
    log("ce", 0).unlink()
    with pytest.raises(LtbenchError, match="nothing logged 'loss'; no record has curves beside it"):
        curve_chart(figure, store)


def words(picture):
    return [text.get_text() for text in picture.texts]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((HEADER, "1,train,0.1,four,5,9"), "could not convert string to float: 'four'"),
        (("stage,loss", "train,4.0"), "it has no column epoch"),
        (("loss,epoch", "4.0"), "invalid literal for int() with base 10: ''"),
        ((HEADER, "1.5,train,0.1,4,5,9"), "invalid literal for int() with base 10: '1.5'"),
    ],
)
def test_a_file_that_does_not_read_is_one_sentence(figure, store, log, lines, reason):
    log("ce", 0, *lines)
    with pytest.raises(LtbenchError) as caught:
        curve_chart(figure, store)
    assert str(caught.value).endswith(f"seed0.csv does not read as curves: {reason}.")


def test_what_is_not_shown_may_hold_anything(figure, store, log):
    log("ce", 0, f"{HEADER},mine", "1,train,0.1,4.0,5,9,True", "2,train,0.1,1e308,5,9,word,more")
    assert curve_chart(figure, store).panels == {"loss": {"ce": {0: ((1, "train", 4.0),)}}}


def test_a_choice_of_epochs_is_refused_for_all_are_drawn(figure, store, log):
    log("ce", 0, HEADER, "1,train,0.1,4.0,5,9")
    with pytest.raises(UsageError, match="figure mine draws every epoch; leave --select out"):
        make(figure, store, select=Selection.BEST_TEST)


@pytest.mark.parametrize(
    ("shows", "refusal"),
    [
        ("shows: [loss, loss]", "shows: it shows a quantity twice; keep one"),
        (
            "shows: [loss], titles: {quality: Q}",
            "titles has quality, which it does not show; correct it",
        ),
    ],
)
def test_panels_that_contradict_each_other_are_refused(tmp_path, shows, refusal):
    path = tmp_path / "mine.yaml"
    path.write_text(
        f"curves: [{{name: m, title: T, dataset: d, seeds: [0], methods: [ce], {shows}}}]"
    )
    with pytest.raises(UsageError, match=refusal):
        figures(str(path))


def test_a_panel_has_the_title_that_the_figure_gives(figure, store, log):
    log("ce+gkp", 0, LOGGED, "1,train,0.1,4.2,5,9,0.25")
    definition = figure.definition.model_copy(update={"titles": {"gkp_gradient": "the share"}})
    chart = curve_chart(dataclasses.replace(figure, definition=definition), store)
    with style():
        titles = [ax.get_title() for ax in draw_curves(chart).axes]
    assert titles == ["training loss", "the share"]
