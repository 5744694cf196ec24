"""What `ltbench evaluate` prints of rows that were scored."""

import pytest

from ltbench.cli.views.evaluation import write_rows

ROW = {
    "dataset": "cifar10_lt(imbalance=100)", "network": "resnet8", "protocol": "fast",
    "method": "ce", "post_hoc": "none", "test_prior": "uniform", "many_above": 100,
    "few_below": 20, "bins": 15, "top1": 30.0, "many": 50.0, "medium": 10.0, "few": None,
    "calibration_error": 5.0, "log_loss": 2.0, "temperature": None, "fitted_on": None,
}  # fmt: skip


@pytest.mark.parametrize(("seeds", "said"), [(1, False), (2, False), (3, True)])
def test_an_interval_is_spoken_of_where_there_is_one(capsys, monkeypatch, seeds, said):
    monkeypatch.setenv("COLUMNS", "80")
    write_rows([ROW | {"top1": 30.0 + seed} for seed in range(seeds)], None)
    out = capsys.readouterr().out
    assert ("t-interval" in out) == said
    assert max(map(len, out.splitlines())) <= 80


def test_a_shot_group_without_classes_here_is_said_and_not_left_blank(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    write_rows([ROW, ROW | {"method": "sam", "few": 3.0}], None)
    (line,) = [each for each in capsys.readouterr().out.splitlines() if each.startswith("ce ")]
    assert "--" in line.split()
