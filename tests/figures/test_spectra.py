"""Figures of Hessians and of planes: numbers from the CSVs of analyses, printed ones beside."""

import numpy as np
import pytest

from ltbench.analysis.density import density, usual_width
from ltbench.analysis.results import Result, as_csv, path_of
from ltbench.errors import LtbenchError
from ltbench.figures import planes, spectra
from ltbench.figures.definition import figures
from ltbench.figures.make import make
from ltbench.runs.files import write_text
from ltbench.runs.store import Cell, Store


def place(store, figure, rows, seed, method="ce", protocol=None):
    definition = figure.definition
    protocol = protocol or definition.protocol
    cell = Cell(definition.dataset, protocol, definition.network, method, seed)
    result = Result({"analysis": definition.analysis}, rows)
    write_text(path_of(store, cell, definition.analysis), as_csv(result))


def hessian(shift=0.0):
    """Ten classes with the largest eigenvalue 10 + class + shift, 3 in 4 of the others at zero."""
    found = []
    for label in range(10):
        fixed = {"view": "train", "group": label, "images": 50, "probe": None, "step": None}
        values = {"lambda_max": 10.0 + label + shift, "trace": 20.0, "filter_trace": 5.0 + shift}
        found += [{**fixed, "quantity": name, "value": each} for name, each in values.items()]
        for step, (node, weight) in enumerate(((0.0, 0.75), (10.0 + label + shift, 0.25))):
            own = {**fixed, "probe": 0, "step": step}
            found += [{**own, "quantity": "node", "value": node},
                      {**own, "quantity": "weight", "value": weight}]  # fmt: skip
    return found


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


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_hessians_of_a_group_are_its_classes_and_intervals_are_over_seeds(store):
    (figure,) = figures("9")
    for seed in range(3):
        place(store, figure, hessian(shift=2.0 * seed), seed)
    many, medium = spectra.spectra(figure, store).panels
    assert many.classes == tuple(range(8))
    assert medium.classes == (8, 9)
    (ours,) = medium.spectra
    assert ours.numbers["lambda_max"].mean == pytest.approx(18.5 + 2)
    assert ours.numbers["lambda_max"].half_width == pytest.approx(4.303 * 2 / 3**0.5, abs=1e-3)
    assert ours.numbers["trace"].half_width == 0
    assert [(each.name, each.lambda_max, each.trace) for each in medium.printed] == [
        ("CE", 74.99, 402.52), ("CE+SAM", 35.19, 251.15), ("CE+GKP+GSA", 30.93, 221.97),
    ]  # fmt: skip


def test_groups_are_of_the_images_that_a_protocol_leaves(store):
    (figure,) = figures("9")
    place(store, figure, hessian(), 0, protocol="fast(fraction=0.1)")
    panels = spectra.spectra(figure, store, "fast(fraction=0.1)").panels
    assert {each.title: each.classes for each in panels} == {
        "many": (0, 1, 2, 3), "medium": (4, 5, 6), "few": (7, 8, 9),
    }  # fmt: skip


def test_a_curve_keeps_every_peak_of_the_density(store):
    """Two nodes a start: 3/4 of the mass at zero, and 1/4 at the largest eigenvalue."""
    (figure,) = figures("9")
    place(store, figure, hessian(), 0)
    _, medium = spectra.spectra(figure, store).panels
    (ours,) = medium.spectra
    width = usual_width(0, 19)
    peak = 1 / (width * (2 * np.pi) ** 0.5)
    assert len(ours.at) <= 240
    assert ours.density.max() == pytest.approx(0.75 * peak, rel=0.02)
    for largest in (18.0, 19.0):
        near = np.abs(ours.at - largest) < 0.1
        assert ours.density[near].max() == pytest.approx(0.125 * peak, rel=0.02)
    assert ours.density[(ours.at > 1) & (ours.at < 17)].max() < 1e-7


def test_the_density_of_several_starts_is_their_mean_and_integrates_to_one():
    starts = [(np.array([0.0, 4.0]), np.array([0.5, 0.5])), (np.array([2.0]), np.array([1.0]))]
    grid = np.linspace(-3, 7, 5001)
    found = density(starts, grid, 0.1)
    assert np.trapezoid(found, grid) == pytest.approx(1, abs=1e-9)
    assert found[2500] == pytest.approx(0.5 / (0.1 * (2 * np.pi) ** 0.5))


def test_planes_are_means_over_a_groups_classes_with_the_way_on_them(store):
    (figure,) = figures("1")
    place(store, figure, trajectory(), 1)
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


@pytest.mark.parametrize(("name", "rows"), [("9", hessian), ("1", trajectory)])
def test_they_are_drawn_with_their_data_beside_them_and_name_what_is_missing(name, rows, store):
    (figure,) = figures(name)
    for method in ("ce", "bcl"):
        place(store, figure, rows(), 0, method)
    made = make(figure, store)
    assert {path.suffix for path in made.files} == {".pdf", ".svg", ".png", ".csv"}
    assert made.remarks == ("Without records, hence left out: ce+sam, gkp_gsa, cc_sam.",)
    data = next(path for path in made.files if path.suffix == ".csv").read_text()
    assert data.count("\nce,") + data.count(",ce,") > 10


@pytest.mark.parametrize("name", ["figure1", "figure9"])
def test_without_analyses_the_commands_are_told(name, store):
    (figure,) = figures(name)
    with pytest.raises(LtbenchError, match=r"--keep snapshots:1` and then `ltbench analyse"):
        make(figure, store)
