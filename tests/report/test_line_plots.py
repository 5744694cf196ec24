"""Curves, classes and costs as drawn."""

import pytest

from ltbench.figures.style import COLOURS
from ltbench.report.line_plots import overlaid, round_ticks, time, training
from ltbench.report.method_plots import seeds
from ltbench.report.svg import canvas, drawing
from ltbench.report.training_curves import curves
from ltbench.runs.store import Cell


def test_a_curve_of_one_evaluation_is_a_mark(store, keep, setting):
    made = keep("ce")
    for text, marks in (("1,2.0,\n2,1.0,60\n", True), ("1,2.0,50\n2,1.0,60\n", False)):
        store.curves_path(Cell.of(made)).write_text(f"epoch,loss,top1\n{text}")
        found = setting(store)
        with drawing():
            plot = training(found, [curves(store, found.base)])
        assert ("<use" in plot.image) == marks


def test_time_is_of_one_machine(store, keep, make_record, setting):
    other = make_record("bcl").environment.model_copy(update={"threads": 8})
    for seed in (0, 1):
        keep("ce", seed, 10)
        keep("sam", seed, 30)
        keep("bcl", seed, 5, environment=other)
    found = setting(store)
    named = {runs.method: found.time(runs) for runs in found.methods}
    assert named == {"ce": 1.0, "sam": 2.0, "bcl": None}
    with drawing():
        caption = time(found).caption
    assert "better than ce (1.00x), sam (2.00x)." in caption


def test_a_method_that_is_slower_and_worse_is_not_at_the_front(store, keep, make_record, setting):
    slow = make_record("sam").cost.model_copy(update={"train_seconds": 99.0})
    for seed in (0, 1):
        keep("ce", seed, 30)
        keep("sam", seed, 20, cost=slow)
    with drawing():
        assert time(setting(store)).caption.endswith("better than ce (1.00x).")


def test_large_settings_are_cut_and_say_so(store, keep, setting):
    for number in range(45):
        keep(f"m{number}", 0, number)
    found = setting(store)
    assert len(overlaid(found)) == len(COLOURS)
    with drawing():
        plot = seeds(found)
    assert "The 40 best; 5 others are in the table." in plot.caption
    assert "m4 " not in plot.image


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([5, 500], [5, 10, 20, 50, 100, 200, 500]),
        ([1, 1.9], [1, 1.2, 1.5, 2]),
        ([7, 8], [7, 7.5, 8]),
        ([1, 1], [1]),
        ([0.004, 0.03], [0.005, 0.01, 0.02]),
    ],
)
def test_ticks_of_logarithmic_axes_are_round_and_few(values, ticks):
    with drawing():
        _, axes = canvas(2, left=30)
        round_ticks(axes, "x", values)
    assert axes.get_xticks() == pytest.approx(ticks)
