"""A step-imbalanced data set goes the whole way: run, record, table, command."""

from pathlib import Path

import pytest

import ltbench
from ltbench.data.catalog import dataset
from ltbench.runs.commands import run_command
from ltbench.tables.reported import ReportedKey

STEP = "digits_lt(imbalance=20, profile='step')"


@pytest.mark.slow
def test_it_is_trained_on_what_it_says_and_kept_apart(results):
    both = ltbench.run(
        "ce", [STEP, "digits_lt"], protocol="smoke", seeds=1, results=results, quiet=True
    )
    step, usual = both["data.class_counts"]
    assert list(both["dataset"]) == [STEP, "digits_lt(imbalance=20)"]
    share = usual[0]  # of the head: smoke takes a part of the images
    assert step == [share] * 5 + [step[-1]] * 5
    assert step[-1] < share
    assert both["fingerprint"].nunique() == 2
    assert list(ltbench.records(results)["dataset"]) == sorted(both["dataset"])


def test_the_command_that_fills_its_cells_names_it():
    words = run_command(["ce"], dataset(STEP), "resnet8", "fast", [0, 1], results=Path("results"))
    assert words == (
        "ltbench run --methods ce --dataset "
        "'digits_lt(imbalance=20, profile='\"'\"'step'\"'\"')' --seeds 0,1"
    )


def test_values_that_papers_report_of_the_usual_profile_are_not_its():
    cells = {
        ReportedKey.of("CE", dataset(name), "resnet32", "top1")
        for name in ("cifar10_lt", "cifar10_lt(profile='step')")
    }
    assert {cell.dataset for cell in cells} == {"CIFAR-10-LT", "CIFAR-10-LT, step"}
