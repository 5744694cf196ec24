"""Figures of planes: losses of shot groups around trajectories, from the CSVs of analyses."""

import numpy as np
import pytest
from made_analyses import trajectory

from ltbench.figures import planes
from ltbench.figures.definition import figures


def test_planes_are_means_over_a_groups_classes_with_the_way_on_them(store, place):
    (figure,) = figures("trajectories")
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
