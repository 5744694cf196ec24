"""Figures of planes: losses of shot groups around trajectories, from the CSVs of analyses."""

import numpy as np
import pytest

from ltbench.errors import LtbenchError
from ltbench.figures import planes
from ltbench.figures.definition import figures
from ltbench.figures.make import make


def trajectory():
    """A loss of 1 + |x| + |y| for many classes and twice that for medium ones."""
    found = []
    for label in range(10):
        shots, factor = ("many", 1.0) if label < 8 else ("medium", 2.0)
        fixed = {"class": label, "training_images": 10, "shots": shots}
        for epoch, x, y in ((1, -2.0, 1.0), (2, -1.0, 0.5), (3, 0.0, 0.0)):
            found.append({**fixed, "kind": "epoch", "epoch": epoch, "x": x, "y": y,
                          "off_plane": 0.1 * (3 - epoch), "explained_x": 0.7, "explained_y": 0.2,
                          "value": factor})  # fmt: skip
        for x in (-2.0, -1.0, 0.0):
            for y in (0.0, 1.0):
                found.append({**fixed, "kind": "grid", "x": x, "y": y,
                              "value": factor * (1 + abs(x) + abs(y))})  # fmt: skip
    return found


def test_planes_are_means_over_a_groups_classes_with_the_way_on_them(store, place):
    (figure,) = figures("1")
    place(figure, trajectory(), 1)
    drawn = planes.planes(figure, store)
    many, medium = drawn.planes["ce"]
    assert drawn.seeds == {"ce": 1}
    assert drawn.explained["ce"] == (0.7, 0.2)
    np.testing.assert_allclose(many.losses, [[3, 2, 1], [4, 3, 2]])
    np.testing.assert_allclose(medium.losses, 2 * many.losses)
    assert [(each.epoch, each.x, each.y) for each in medium.trajectory] == [
        (1, -2, 1), (2, -1, 0.5), (3, 0, 0),
    ]  # fmt: skip
    assert medium.trajectory[0].off_plane == pytest.approx(0.2)
    assert medium.trajectory[0].loss == 2.0


def test_it_is_drawn_with_its_data_beside_it_and_names_what_is_missing(store, place):
    (figure,) = figures("1")
    for method in ("ce", "bcl"):
        place(figure, trajectory(), 0, method)
    made = make(figure, store)
    assert {path.suffix for path in made.files} == {".pdf", ".svg", ".png", ".csv"}
    assert made.remarks == ("Without records, hence left out: ce+sam, gkp_gsa, cc_sam.",)
    data = next(path for path in made.files if path.suffix == ".csv").read_text()
    assert data.count("\nce,") + data.count(",ce,") > 10


def test_without_analyses_the_commands_are_told(store):
    (figure,) = figures("1")
    with pytest.raises(LtbenchError, match=r"--keep snapshots:1` and then `ltbench analyse"):
        make(figure, store)
