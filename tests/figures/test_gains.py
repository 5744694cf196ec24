"""Figures of gains: a part on several bases, seed by seed."""

import pytest

from ltbench.errors import LtbenchError
from ltbench.figures import gains
from ltbench.figures.definition import figures
from ltbench.figures.make import make

WHERE = {"dataset": "digits_lt(imbalance=20)", "network": "resnet8", "protocol": "fast"}


@pytest.fixture
def figure():
    (found,) = figures("cc_sam/2")
    return found


@pytest.fixture
def filled(store, make_record):
    """CE gains 1, 2 and 3 by SWA; LDAM-DRW loses a point by GP, on the one seed that both have."""
    for seed in range(3):
        store.write(make_record("ce", seed, 90.0 - seed, shots=(99.0, 90.0, 80.0), **WHERE))
        gain = 1.0 + seed
        shots = (99.0, 91.0, 70.0)
        store.write(make_record("ce+swa", seed, 90.0 - seed + gain, shots=shots, **WHERE))
    store.write(make_record("ldam_drw", 0, 95.0, **WHERE))
    store.write(make_record("ldam_drw+gradient_penalty", 0, 94.0, **WHERE))
    store.write(make_record("ldam_drw+gradient_penalty", 1, 20.0, **WHERE))
    return store


def test_gains_are_of_the_same_base_and_seed(figure, filled):
    drawn = gains.gains(figure, figure.table, filled)
    assert drawn.bases == ("CE", "LDAM-DRW", "Balanced Softmax", "MiSLAS", "GCL")
    swa, norm, penalty, noise = drawn.panels["all"]
    assert [each.part for each in (swa, norm, penalty, noise)] == [
        "swa", "spectral_norm", "gradient_penalty", "model_perturbation",
    ]  # fmt: skip
    assert swa.gains["CE"].mean == pytest.approx(2)
    assert swa.gains["CE"].half_width == pytest.approx(4.303 / 3**0.5, abs=1e-3)
    assert list(swa.gains) == ["CE"]
    assert penalty.gains["LDAM-DRW"].mean == pytest.approx(-1)
    assert penalty.gains["LDAM-DRW"].n == 1
    few = drawn.panels["few"][0].gains["CE"]
    assert few.mean == pytest.approx(-10)
    assert norm.gains == {}
    assert noise.gains == {}


def test_it_is_a_table_too_and_says_what_cannot_be_combined(figure, filled):
    text = gains.gains_table(gains.gains(figure, figure.table, filled))
    assert "| CE | `swa` | +2.0 ± 2.5 | 0.0 ± 0.0" in text.replace("+0.0", "0.0")
    assert "| LDAM-DRW | `gradient_penalty` | -1.0 |" in text
    assert "MiSLAS" not in text
    made = make(figure, filled)
    assert made.remarks == ("Cannot be combined, hence left out: MiSLAS + SWA, GCL + SWA.",)
    assert {path.suffix for path in made.files} == {".pdf", ".svg", ".png", ".csv"}


def test_without_records_the_table_says_what_makes_them(figure, store):
    with pytest.raises(LtbenchError, match="`ltbench table cc_sam/figure2` says what makes them"):
        make(figure, store)
