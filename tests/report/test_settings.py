"""Runs under one setting: their order, and what they are compared to."""

import pytest

from ltbench.report.line_plots import overlaid
from ltbench.report.settings import gather


def test_methods_stand_by_accuracy_and_are_compared_to_the_first_of_the_order(store, keep, setting):
    for method, few in (("b", 30), ("a", 10), ("c", 20)):
        keep(method, 0, few)
    found = setting(store, ("ce", "c", "a"))
    assert [runs.method for runs in found.methods] == ["b", "c", "a"]
    assert found.base.method == "c"
    assert found.line(found.methods[0]).difference.mean == pytest.approx(10 / 3)
    assert [runs.method for runs in overlaid(found)] == ["c", "b", "a"]


def test_papers_protocols_come_first_then_what_most_methods_ran_in(store, keep):
    for method, protocol in (("a", "fast"), ("b", "fast"), ("a", "paper"), ("a", "an_early_name")):
        keep(method, 0, 10, protocol=protocol)
    found = gather(store, ("a",)).settings
    assert [each.title.rpartition(" ")[2] for each in found] == ["paper", "fast", "an_early_name"]
