"""`ltbench.run`: what the command does, as a function that returns a table."""

import numpy as np
import pytest

import ltbench
from ltbench.errors import LtbenchError, UsageError


@pytest.fixture
def train(results):
    """Train on digits under `smoke`, quietly, into a folder of its own."""

    def call(methods="ce", dataset="digits_lt", **options):
        options = {"protocol": "smoke", "seeds": 1, "quiet": True, **options}
        return ltbench.run(methods, dataset, results=str(results), **options)

    return call


def test_records_come_in_the_order_asked_for_and_are_not_made_twice(train):
    first = train("focal", seeds=2)
    both = train(["ce", "focal"], seeds=2)
    cells = list(zip(both["method"], both["seed"], strict=True))
    assert cells == [("ce", 0), ("focal", 0), ("ce", 1), ("focal", 1)]
    again = both[both["method"] == "focal"]
    assert list(again["finished"]) == list(first["finished"])
    assert list(again["last.top1"]) == list(first["last.top1"])


def test_a_list_of_one_seed_is_that_seed_and_a_number_is_a_count(train):
    assert list(train(seeds=[2])["seed"]) == [2]
    assert list(train(seeds=2)["seed"]) == [0, 1]


@pytest.mark.parametrize("seeds", [None, 1.0, [1.5], ["a"], [True], True, [], 0, [1, -1]])
def test_what_are_no_seeds_is_refused_in_words(train, seeds):
    with pytest.raises(UsageError, match=r"seeds = .*: give a count from 1, or a list"):
        train(seeds=seeds)


def test_seeds_may_be_an_array_or_what_the_command_takes(train):
    assert list(train(seeds=np.arange(1, 3))["seed"]) == [1, 2]
    assert list(train(seeds=np.int64(2))["seed"]) == [0, 1]
    assert list(train(seeds="0,2")["seed"]) == [0, 2]
    with pytest.raises(UsageError, match="--seeds a"):
        train(seeds="a")


def test_it_gives_what_the_command_gives(train, tmp_path, monkeypatch, capsys):
    from ltbench.cli import app

    found = train("ce,vs_loss(gamma=0.1)", ["digits_lt(imbalance=10)"])
    words = ["run", "--methods", "ce,vs_loss(gamma=0.1)", "--dataset", "digits_lt(imbalance=10)"]
    words += ["--protocol", "smoke", "--seeds", "1", "--results", str(tmp_path / "other")]
    app([*words, "--quiet"], standalone_mode=False)
    other = ltbench.records(tmp_path / "other")
    same = ["method", "dataset", "fingerprint", "last.top1", "last.few"]
    pairs = (found[same].sort_values("method"), other[same].sort_values("method"))
    assert pairs[0].values.tolist() == pairs[1].values.tolist()


@pytest.mark.slow
def test_a_method_of_ones_own_is_read_anew_at_each_call(train, method_file):
    body = "def loss_weight(self, clock):\n    return {}\n"
    path = method_file("changing", body.format("1.0"))
    first = train("changing", load=path)
    method_file("changing", body.format("0.5"))
    second = train("changing", load=[str(path)], seeds=[1])
    assert first["sources"][0] != second["sources"][0]


@pytest.mark.slow
def test_a_failure_is_told_at_the_end_with_its_reason(train, method_file, results):
    path = method_file("broken", "def after_epoch(self, network, data, clock):\n    1 / 0\n")
    with pytest.raises(LtbenchError, match=r"1 of 2 trainings failed: broken on .*division by"):
        train("broken,ce", load=path)
    assert list(ltbench.records(results)["method"]) == ["ce"]
    with pytest.raises(ZeroDivisionError):
        train("broken", load=path, debug=True)


@pytest.mark.slow
def test_workers_give_the_same(train):
    serial = train("ce,focal")
    other = train("ce,focal", jobs=2, force=True)
    assert list(serial["last.top1"]) == list(other["last.top1"])


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (("cee",), {}, "unknown method 'cee'; did you mean ce or bce?"),
        (("ce", "digit_lt"), {}, "unknown data set 'digit_lt'"),
        (([],), {}, "nothing to run; give methods and dataset at least one name each."),
        (("ce",), {"jobs": 0}, "jobs = 0 is not allowed; give at least 1."),
        (("ce",), {"load": "nowhere.py"}, "give an existing Python file"),
        (("ce",), {"signal_before": -1}, "signal_before = -1 is not allowed; give seconds"),
        (("ce",), {"signal_before": float("nan")}, "signal_before = nan is not allowed"),
        (("ce",), {"keep": "all"}, "give weights, or snapshots:10 for every tenth epoch too"),
        (("ce",), {"time_limit": 30}, "leaves nothing before the 60 s in which trainings save"),
    ],
)
def test_what_does_not_exist_or_fit_is_refused(train, results, arguments, options, sentence):
    with pytest.raises(UsageError) as caught:
        train(*arguments, **options)
    assert sentence in str(caught.value)
    assert not results.exists()


def test_weights_are_kept_and_cells_finished_without_them_are_named(train, results, capsys):
    train()
    assert not list(results.rglob("*.safetensors"))
    train(keep="weights", quiet=False)
    assert "--force" in capsys.readouterr().err
    train(keep="weights", force=True, time_limit=600, signal_before=1)
    assert len(list(results.rglob("*.safetensors"))) == 1


def test_progress_is_told_unless_quiet(train, capsys):
    train(quiet=False)
    assert "[1/1] ce on digits_lt(imbalance=20), seed 0" in capsys.readouterr().out
    train(seeds=[1])
    assert capsys.readouterr().out == ""
