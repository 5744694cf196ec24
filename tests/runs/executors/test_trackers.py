"""Trackers, each with a stand-in for its package that remembers what it was told."""

import csv
import sys
from types import ModuleType, SimpleNamespace

import pandas as pd
import pytest

import ltbench
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.executors.trackers import TRACKERS, trackers_of
from ltbench.runs.store import Store

SCORES = ("top1", "many", "medium", "few", "calibration_error")


@pytest.fixture
def told(monkeypatch):
    """What the stand-ins hear: (run, name, value, step), and how each run ended."""
    heard = SimpleNamespace(scalars=[], ended=[], facts={})

    class Writer:
        def __init__(self, folder):
            self.folder = folder

        def add_scalar(self, name, value, step):
            heard.scalars.append((self.folder, name, value, step))

        def close(self):
            heard.ended.append((self.folder, None))

    class Run:
        def __init__(self, **facts):
            self.id, heard.facts[facts["id"]] = facts["id"], facts

        def log(self, values, step):
            heard.scalars += [(self.id, name, value, step) for name, value in values.items()]

        def finish(self, exit_code):
            heard.ended.append((self.id, exit_code))

    class Client:
        def get_experiment_by_name(self, name):
            return None

        def create_experiment(self, name):
            return f"experiment {name}"

        def create_run(self, experiment, run_name):
            heard.facts[run_name] = {"experiment": experiment}
            return SimpleNamespace(info=SimpleNamespace(run_id=run_name))

        def log_param(self, run, name, value):
            heard.facts[run][name] = value

        def log_metric(self, run, name, value, step):
            heard.scalars.append((run, name, value, step))

        def set_terminated(self, run, status):
            heard.ended.append((run, status))

    packages = {
        "torch.utils.tensorboard": {"SummaryWriter": Writer},
        "wandb": {"init": Run},
        "mlflow": {"MlflowClient": Client},
    }
    for name, content in packages.items():
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    for name in ("WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    return heard


def train(tmp_path, track, **options):
    settings = {"protocol": "smoke", "seeds": [0], "results": tmp_path, "quiet": True}
    return ltbench.run("ce", "digits_lt", track=track, **{**settings, **options})


def curves(tmp_path):
    (path,) = tmp_path.rglob("seed0.csv")
    return list(csv.DictReader(path.read_text().splitlines()))


@pytest.mark.parametrize("name", TRACKERS)
def test_a_tracker_hears_every_number_of_the_curves_and_the_last_scores(told, tmp_path, name):
    (record,) = train(tmp_path, name).to_dict("records")
    rows = curves(tmp_path)
    (run,) = {run for run, *_ in told.scalars}
    heard = {(scalar, step): value for _, scalar, value, step in told.scalars}
    for row in rows:
        epoch = int(row.pop("epoch"))
        for scalar, text in row.items():
            if text and scalar != "stage":
                assert heard.pop((scalar, epoch)) == pytest.approx(float(text), rel=1e-5)
    scores = {f"ce/{each}": record[f"last.{each}"] for each in SCORES}
    there = {scalar: value for scalar, value in scores.items() if pd.notna(value)}
    expected = {(scalar, len(rows)): value for scalar, value in there.items()}
    assert heard == pytest.approx(expected)
    assert told.ended == [(run, {"tensorboard": None, "wandb": 0, "mlflow": "FINISHED"}[name])]


def test_a_run_says_what_it_is_of(told, tmp_path):
    (record,) = train(tmp_path, "tensorboard,wandb,mlflow").to_dict("records")
    (folder,) = {run for run, *_ in told.scalars if str(tmp_path) in run}
    place = tmp_path.joinpath("tensorboard", "digits_lt(imbalance=20)", "smoke", "resnet8", "ce")
    assert folder.startswith(str(place.parents[3]))
    assert folder.endswith("seed0")
    weights = told.facts[record["fingerprint"]]
    assert weights["project"] == "ltbench"
    assert weights["config"]["method"] == "ce"
    flow = told.facts["ce on digits_lt(imbalance=20), seed 0"]
    assert flow["experiment"] == "experiment ltbench"
    assert flow["fingerprint"] == record["fingerprint"]


@pytest.mark.slow
def test_a_failed_training_ends_its_run_as_failed(told, tmp_path, method_file):
    body = """
    def after_epoch(self, network, data, clock):
        if clock.epoch:
            raise ValueError("enough")
    """
    bad = method_file("breaks", body)
    with pytest.raises(LtbenchError, match="1 of 1 training failed"):
        ltbench.run(
            "breaks", "digits_lt", protocol="smoke", seeds=1, results=tmp_path, load=bad,
            quiet=True, track="wandb",
        )  # fmt: skip
    assert [code for _, code in told.ended] == [1]
    assert {step for *_, step in told.scalars} == {1}


def test_a_tracker_that_fails_is_left_with_a_warning_and_the_training_goes_on(
    told, tmp_path, monkeypatch
):
    def refuse(**facts):
        raise ConnectionError("no such host")

    monkeypatch.setattr(sys.modules["wandb"], "init", refuse)
    with pytest.warns(UserWarning, match="WeightsAndBiases is tracking no more") as said:
        found = train(tmp_path, ["wandb", "tensorboard"])
    assert [str(each.message).count("no such host") for each in said] == [1]
    assert len(found) == 1
    assert told.scalars
    assert [code for _, code in told.ended] == [None]


def test_a_missing_package_and_an_unknown_name_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(LtbenchError, match="python -m pip install wandb"):
        trackers_of(["wandb"], Store(tmp_path))
    with pytest.raises(UsageError, match="unknown tracker 'tensorbord'; did you mean tensorboard"):
        trackers_of(["tensorbord"], Store(tmp_path))
