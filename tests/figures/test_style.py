"""What every figure says and looks like."""

import pytest

from ltbench.figures.style import seeds_in_words


@pytest.mark.parametrize(
    ("counts", "said"), [([1], "1 seed"), ([3, 3], "3 seeds"), ([3, 1, 2], "1 to 3 seeds")]
)
def test_a_caption_never_overstates_its_seeds(counts, said):
    assert seeds_in_words(iter(counts)) == said
