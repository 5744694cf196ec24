"""Seconds are said in the two largest units that matter."""

import pytest

from ltbench.cli.views.duration import duration


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.2, "1 s"), (89.4, "89 s"), (90, "2 min"), (3570, "1 h"), (3600 + 61, "1 h 1 min"),
        (86_400, "1 d 0 h"), (190_000, "2 d 4 h"),
    ],
)  # fmt: skip
def test_a_duration_in_words(seconds, said):
    assert duration(seconds) == said
