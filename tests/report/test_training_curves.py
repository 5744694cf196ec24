"""Means over seeds of what a run records by epoch, and of its classes."""

import pytest

from ltbench.report.training_curves import BINS, MOST, by_count, curves
from ltbench.runs.record import DataFacts
from ltbench.runs.store import Cell


def test_curves_are_means_over_the_seeds_at_epochs_that_all_have(store, keep, setting):
    for seed, text in enumerate(("1,4.0,\n2,2.0,50\n3,nan,60\n", "1,2.0,\n2,1.0,70\n")):
        made = keep("ce", seed)
        store.curves_path(Cell.of(made)).write_text(f"epoch,loss,top1\n{text}")
    found = curves(store, setting(store).base)
    assert found.loss == [(1, 3.0), (2, 1.5)]
    assert found.score == [(2, 60.0)]


@pytest.mark.parametrize(
    ("text", "unread"), [("", 1), ("epoch,loss\n1,much\n", 1), ("loss\n1.0\n", 1), ("\0", 1)]
)
def test_without_curves_that_read_a_record_stands(store, keep, text, unread, setting):
    made = keep("ce")
    store.curves_path(Cell.of(made)).write_text(text)
    found = curves(store, setting(store).base)
    assert not found
    assert len(found.problems) == unread
    assert all(str(store.curves_path(Cell.of(made))) in each for each in found.problems)
    store.curves_path(Cell.of(made)).unlink()
    found = curves(store, setting(store).base)
    assert (bool(found), found.problems) == (False, ())


def test_curves_that_are_not_a_records_own_are_named(store, keep, setting):
    made = keep("ce")
    own = made.model_copy(update={"files": {"curves": "0" * 64}})
    store.path(Cell.of(made)).write_text(own.model_dump_json())
    store.curves_path(Cell.of(made)).write_text("epoch,loss\n1,2.0\n")
    found = curves(store, setting(store).base)
    assert not found
    assert "its SHA-256 is another" in found.problems[0]


def test_long_curves_are_thinned_and_keep_their_ends(store, keep, setting):
    made = keep("ce")
    rows = "".join(f"{epoch},{epoch}\n" for epoch in range(1, 1001))
    store.curves_path(Cell.of(made)).write_text(f"epoch,loss\n{rows}")
    epochs = [epoch for epoch, _ in curves(store, setting(store).base).loss]
    assert len(epochs) == MOST
    assert (epochs[0], epochs[-1]) == (1, 1000)
    assert epochs == sorted(set(epochs))


def test_classes_are_ordered_by_count_and_many_share_bins(store, keep, make_record, setting):
    keep("ce", 0, 10)
    keep("ce", 1, 10)
    assert by_count(setting(store).base) == [(500, 60.0), (60, 40.5), (5, 10.5)]
    many = make_record("ce")
    hits, counts = tuple(range(100)), tuple(range(1, 101))
    last = many.last.model_copy(update={"correct": hits, "total": (100,) * 100, "top1": 49.5})
    data = DataFacts(**{**many.data.model_dump(), "class_counts": counts})
    for seed in range(2):
        store.write(many.model_copy(update={"last": last, "data": data, "seed": seed}))
    points = by_count(setting(store).base)
    assert len(points) == BINS
    assert points[0] == pytest.approx((96.5, 95.5))
    assert points[-1] == pytest.approx((4.5, 3.5))


def test_a_class_without_test_images_is_left_out(store, make_record, setting):
    of = make_record("ce")
    last = of.last.model_copy(
        update={"correct": (50, 0, 50), "total": (100, 0, 100), "top1": 50.0, "medium": None}
    )
    store.write(of.model_copy(update={"last": last}))
    assert by_count(setting(store).base) == [(500, 50.0), (5, 50.0)]
