"""The page on costs shows what the benchmarks measured, beside their limits."""

import csv

import pytest
from docs_scripts import script


@pytest.fixture
def kept(tmp_path):
    figures = [
        {"what": "a / b", "value": 1.0451, "at_most": 1.04, "at_least": None},
        {"what": "rate", "value": 56123.4, "at_most": None, "at_least": None},
        {"what": "gain", "value": 8.0, "at_most": None, "at_least": 5},
    ]
    benchmark = {"fullname": "tests/benchmarks/test_x.py::t", "extra_info": {"figures": figures}}
    benchmarks, path = script("benchmarks"), tmp_path / "figures.csv"
    found = benchmarks.rows({"benchmarks": [benchmark, {"fullname": "y", "extra_info": {}}]})
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([benchmarks.COLUMNS, *found])
    return path


def test_a_figure_that_misses_its_limit_is_bold(kept):
    table = script("rebuild").figures("x", kept).splitlines()
    assert table[2:] == [
        "| a / b | **1.04** | at most 1.04 |",
        "| rate | 56,120 |  |",
        "| gain | 8.00 | at least 5 |",
    ]


def test_only_the_named_benchmark_is_shown(kept):
    assert len(script("rebuild").figures("other", kept).splitlines()) == 2
