"""What every figure says and looks like."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from ltbench.figures.style import seeds_in_words, spread


@pytest.mark.parametrize(
    ("counts", "said"), [([1], "1 seed"), ([3, 3], "3 seeds"), ([3, 1, 2], "1 to 3 seeds")]
)
def test_a_caption_never_overstates_its_seeds(counts, said):
    assert seeds_in_words(iter(counts)) == said


def test_labels_are_moved_apart_as_little_as_possible():
    assert spread([], 0.1) == []
    assert spread([0.5, 0.1], 0.1) == [0.5, 0.1]
    assert spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    dice = np.random.default_rng(0)
    for number in range(1, 8):
        heights = dice.uniform(0, 0.4, number)
        order = np.argsort(heights)
        ranks = 0.1 * np.arange(number)
        wanted = isotonic_regression(heights[order] - ranks).x + ranks
        assert np.allclose(np.array(spread([*heights], 0.1))[order], wanted)
