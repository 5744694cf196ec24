"""Figures of drift: the tail's loss and all classes', three ways, distances over seeds."""

import csv
import io

import numpy as np
import pytest
from made_analyses import drift

from ltbench.figures import drifts
from ltbench.figures.definition import figures
from ltbench.figures.draw_drifts import draw_drifts
from ltbench.figures.make import make
from ltbench.figures.style import style

FULL = "bcl on cifar10_lt(imbalance=100), resnet8, fast, seed 0"


@pytest.fixture
def drawn(store, place):
    (figure,) = figures("1")
    for seed, shift in enumerate((0.0, 0.1, 0.2)):
        place(figure, drift(shift), seed, "gkp_gsa", full_run=FULL)
    return drifts.drifts(figure, store)


def test_the_tail_is_the_smallest_group_and_all_is_the_mean_over_classes(drawn):
    tail, everything = drawn.planes["gkp_gsa"].planes
    np.testing.assert_allclose(tail.losses, [[2, 6, 10], [8, 12, 16]])
    np.testing.assert_allclose(everything.losses, 1.2 * tail.losses / 2)
    assert (tail.shots, everything.shots) == ("the tail", "all classes")


def test_ways_are_of_the_first_seed_and_distances_over_all(drawn):
    made = drawn.planes["gkp_gsa"]
    assert (made.seed, made.full) == (0, "bcl")
    assert [(e.epoch, e.x, e.y) for e in made.planes[0].trajectory] == [(0, 0, 0), (1, 1, 1)]
    assert [(e.x, e.y) for e in made.beside["tail"][0]] == [(0, 0), (4, 0)]
    assert [(e.x, e.y) for e in made.beside["full"][1]] == [(0, 0), (0, 3)]
    ratio = made.quantities["distance_ratio"]
    assert (ratio.n, ratio.mean) == (3, pytest.approx(0.9))
    assert ratio.half_width == pytest.approx(0.1 * 4.302653 / 3**0.5)


def test_the_title_has_both_ratios_and_what_is_off_the_plane(drawn):
    with style():
        picture = draw_drifts(drawn)
    titles = [ax.get_title(loc="left") for ax in picture.axes]
    assert (
        "gkp_gsa: 0.90 ± 0.25, by length 0.90 ± 0.00 (3 seeds; seed 0 is 50 % off the plane)"
        in titles
    )
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "bcl, on the tail alone", "bcl, on everything", "the method of the row",
    ]  # fmt: skip


def test_the_data_has_every_distance_epoch_and_point(drawn, store):
    rows = list(csv.DictReader(io.StringIO(drifts.as_csv(drawn))))
    assert {row["kind"] for row in rows} == {"quantity", "epoch", "grid"}
    assert sum(row["kind"] == "grid" for row in rows) == 2 * 6
    assert sum(row["kind"] == "epoch" for row in rows) == 2 * 3 * 2
    assert not any(None in row or None in row.values() for row in rows)
    (end,) = (r for r in rows if (r["of"], r["epoch"], r["shots"]) == ("run", "1", "the tail"))
    assert (end["x"], end["y"], end["loss"], end["off_plane"]) == ("1", "1", "2", "0.5")
    made = make(figures("1")[0], store)
    assert {path.suffix for path in made.files} == {".pdf", ".svg", ".png", ".csv"}
