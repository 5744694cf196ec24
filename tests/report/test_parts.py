"""What the figures are drawn from."""

import pytest

from ltbench.figures.style import COLOURS
from ltbench.report.line_plots import cost, overlaid, round_ticks, training
from ltbench.report.method_plots import seeds
from ltbench.report.settings import gather
from ltbench.report.svg import canvas, drawing, short
from ltbench.report.training_curves import BINS, MOST, by_count, curves
from ltbench.runs.record import Data
from ltbench.runs.store import Cell


def setting(store, order=("ce",)):
    (found,) = gather(store, order).settings
    return found


def test_methods_stand_by_accuracy_and_are_compared_to_the_first_of_the_order(store, keep):
    for method, few in (("b", 30), ("a", 10), ("c", 20)):
        keep(method, 0, few)
    found = setting(store, ("ce", "c", "a"))
    assert [runs.method for runs in found.methods] == ["b", "c", "a"]
    assert found.base.method == "c"
    assert found.line(found.methods[0]).difference.mean == pytest.approx(10 / 3)
    assert [runs.method for runs in overlaid(found)] == ["c", "b", "a"]


def test_curves_are_means_over_the_seeds_at_epochs_that_all_have(store, keep):
    for seed, text in enumerate(("1,4.0,\n2,2.0,50\n3,nan,60\n", "1,2.0,\n2,1.0,70\n")):
        made = keep("ce", seed)
        store.curves_path(Cell.of(made)).write_text(f"epoch,loss,top1\n{text}")
    found = curves(store, setting(store).base)
    assert found.loss == [(1, 3.0), (2, 1.5)]
    assert found.score == [(2, 60.0)]


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,much\n", "loss\n1.0\n", "\0"])
def test_without_curves_that_read_a_record_stands(store, keep, text):
    made = keep("ce")
    store.curves_path(Cell.of(made)).write_text(text)
    assert not curves(store, setting(store).base)
    store.curves_path(Cell.of(made)).unlink()
    assert not curves(store, setting(store).base)


def test_a_curve_of_one_evaluation_is_a_mark(store, keep):
    made = keep("ce")
    for text, marks in (("1,2.0,\n2,1.0,60\n", True), ("1,2.0,50\n2,1.0,60\n", False)):
        store.curves_path(Cell.of(made)).write_text(f"epoch,loss,top1\n{text}")
        found = setting(store)
        with drawing():
            plot = training(found, [curves(store, found.base)])
        assert ("<use" in plot.image) == marks


def test_long_curves_are_thinned_and_keep_their_ends(store, keep):
    made = keep("ce")
    rows = "".join(f"{epoch},{epoch}\n" for epoch in range(1, 1001))
    store.curves_path(Cell.of(made)).write_text(f"epoch,loss\n{rows}")
    epochs = [epoch for epoch, _ in curves(store, setting(store).base).loss]
    assert len(epochs) == MOST
    assert (epochs[0], epochs[-1]) == (1, 1000)
    assert epochs == sorted(set(epochs))


def test_classes_are_ordered_by_count_and_many_share_bins(store, keep, make_record):
    keep("ce", 0, 10)
    keep("ce", 1, 10)
    assert by_count(setting(store).base) == [(500, 60.0), (60, 40.5), (5, 10.5)]
    many = make_record("ce")
    hits, counts = tuple(range(100)), tuple(range(1, 101))
    last = many.last.model_copy(update={"correct": hits, "total": (100,) * 100, "top1": 49.5})
    data = Data(**{**many.data.model_dump(), "class_counts": counts})
    for seed in range(2):
        store.write(many.model_copy(update={"last": last, "data": data, "seed": seed}))
    points = by_count(setting(store).base)
    assert len(points) == BINS
    assert points[0] == pytest.approx((96.5, 95.5))
    assert points[-1] == pytest.approx((4.5, 3.5))


def test_a_class_without_test_images_is_left_out(store, make_record):
    of = make_record("ce")
    last = of.last.model_copy(
        update={"correct": (50, 0, 50), "total": (100, 0, 100), "top1": 50.0, "medium": None}
    )
    store.write(of.model_copy(update={"last": last}))
    assert by_count(setting(store).base) == [(500, 50.0), (5, 50.0)]


def test_cost_is_of_one_machine(store, keep, make_record):
    keep("ce", 0, 10)
    keep("sam", 0, 30)
    other = make_record("bcl").environment.model_copy(update={"threads": 8})
    keep("bcl", 0, 5, environment=other)
    found = setting(store)
    named = {runs.method: found.cost(runs) for runs in found.methods}
    assert named == {"ce": 1.0, "sam": 2.0, "bcl": None}
    with drawing():
        caption = cost(found).caption
    assert "ce (2, 1.00x), sam (1, 2.00x)" in caption


def test_a_method_that_is_slower_and_worse_is_not_at_the_front(store, keep, make_record):
    keep("ce", 0, 30)
    slow = make_record("sam").cost.model_copy(update={"train_seconds": 99.0})
    keep("sam", 0, 20, cost=slow)
    with drawing():
        assert cost(setting(store)).caption.endswith("better than ce (1, 1.00x).")


def test_large_settings_are_cut_and_say_so(store, keep):
    for number in range(45):
        keep(f"m{number}", 0, number)
    found = setting(store)
    assert len(overlaid(found)) == len(COLOURS)
    with drawing():
        plot = seeds(found)
    assert "The 40 best; 5 others are in the table." in plot.caption
    assert "m4 " not in plot.image


def test_long_names_keep_both_ends():
    assert short("ce") == "ce"
    name = short("gkp_gsa(direction='gradient')")
    assert len(name) == 22
    assert name.startswith("gkp_gsa(")
    assert name.endswith("adient')")


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
