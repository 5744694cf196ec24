"""Figures of Hessians: numbers and densities from the CSVs of analyses, printed ones beside."""

import numpy as np
import pytest
from made_analyses import hessian

from ltbench.analysis.density import density, usual_width
from ltbench.figures import spectra
from ltbench.figures.definition import figures


def test_hessians_of_a_group_are_its_classes_and_intervals_are_over_seeds(store, place):
    (figure,) = figures("9")
    for seed in range(3):
        place(figure, hessian(shift=2.0 * seed), seed)
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


def test_groups_are_of_the_images_that_a_protocol_leaves(store, place):
    (figure,) = figures("9")
    place(figure, hessian(), 0, protocol="fast(fraction=0.1)")
    panels = spectra.spectra(figure, store, "fast(fraction=0.1)").panels
    assert {each.title: each.classes for each in panels} == {
        "many": (0, 1, 2, 3), "medium": (4, 5, 6), "few": (7, 8, 9),
    }  # fmt: skip


def test_a_curve_keeps_every_peak_of_the_density(store, place):
    """Two nodes a start: 3/4 of the mass at zero, and 1/4 at the largest eigenvalue."""
    (figure,) = figures("9")
    place(figure, hessian(), 0)
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
