"""Figures of what analyses say: values from their CSVs, printed ones beside, files drawn."""

import pytest

from ltbench.errors import LtbenchError
from ltbench.figures import inside
from ltbench.figures.definition import figures
from ltbench.figures.draw_inside import draw_inside
from ltbench.figures.make import make

SHOTS = ("many", "many", "medium")
COUNTS = (500, 200, 50)


def rows_of(shows, shift):
    """Three classes whose value is 10 c + x + shift, at each x, with rows of other kinds beside."""
    quantity = inside.QUANTITIES[shows]
    found = []
    for x in (1, 2) if quantity.by_shot else (0,):
        for label in range(3):
            row = {**quantity.rows, "class": label, "training_images": COUNTS[label],
                   "shots": SHOTS[label], "value": 10.0 * label + x + shift}  # fmt: skip
            if quantity.by_shot:
                row[quantity.x] = x
            found += [row, {**row, **dict.fromkeys(quantity.rows, "other"), "value": 1e6}]
    return found


NAMES = {"2": "features", "6": "gradients", "cc_sam/1": "noise", "gala/1": "weight_norms",
         "gala/2": "positives"}  # fmt: skip


@pytest.mark.parametrize(("name", "shows"), NAMES.items())
def test_every_figure_is_drawn_with_its_data_beside_it(name, shows, store, place):
    (figure,) = figures(name)
    assert figure.definition.shows == shows
    for seed in (0, 1):
        place(figure, rows_of(shows, shift=2.0 * seed), seed)
    made = make(figure, store)
    assert {path.suffix for path in made.files} == {".pdf", ".svg", ".png", ".csv"}
    assert all(path.stat().st_size for path in made.files)
    data = next(path for path in made.files if path.suffix == ".csv").read_text()
    assert "1e+06" not in data
    assert ",2,0 1," in data


def test_a_shot_group_is_the_mean_over_its_classes_and_its_interval_is_over_seeds(store, place):
    (figure,) = figures("6")
    for seed in (0, 1, 2):
        place(figure, rows_of("gradients", shift=2.0 * seed), seed)
    drawn = inside.inside(figure, store)
    many, medium = drawn.panels
    assert [(x, each.mean) for x, each in many.curves[0].points] == [(0.5, 8.0), (1, 9.0)]
    assert [(x, each.mean) for x, each in medium.curves[0].points] == [(0.5, 23.0), (1, 24.0)]
    assert many.curves[0].points[0][1].half_width == pytest.approx(4.303 * 2 / 3**0.5, abs=1e-3)
    assert dict(dict(many.printed)["CE, class 0 or 8"])[0.25] == 0.387
    assert dict(dict(medium.printed)["CE, class 0 or 8"])[1] == 0.195
    assert dict(dict(medium.printed)["GKP+GSA, class 1 or 9"])[1] == 0.288


def test_the_caption_of_noise_says_which_classifiers_are_cosines(store, place):
    (figure,) = figures("cc_sam/1")
    for method, free in (("ce", 0), ("bcl", 1), ("gkp_gsa", 1)):
        rows = [{**row, "scale_free": free} for row in rows_of("noise", 0.0)]
        place(figure, rows, 0, method)
    drawn = inside.inside(figure, store)
    assert drawn.scale_free == {"ce": False, "bcl": True, "gkp_gsa": True}
    texts = " ".join(text.get_text() for text in draw_inside(drawn).texts).split()
    assert "Classifiers: linear (ce); cosine, of any norm (bcl, gkp_gsa)." in " ".join(texts)


def test_classes_stand_in_the_order_of_their_training_images(store, place):
    (figure,) = figures("gala/2")
    rows = rows_of("positives", 0.0)
    for row in rows:
        row["training_images"] = {0: 5, 1: 500, 2: 50}[row["class"]]
    place(figure, rows, 0)
    (panel,) = inside.inside(figure, store).panels
    assert [x for x, _ in panel.curves[0].points] == [1, 2, 0]


def test_without_analyses_the_commands_are_told(store):
    (figure,) = figures("figure2")
    with pytest.raises(LtbenchError, match=r"--keep snapshots:1` and then `ltbench analyse"):
        inside.inside(figure, store)
