"""From a record to rows: a run on the digits whose weights were kept, by every analysis."""

import time

import pytest
import torch

from ltbench.analysis.finished import finished, weights_path
from ltbench.analysis.names import ANALYSES, build_analysis
from ltbench.analysis.perform import prepared, skipped
from ltbench.analysis.results import FinishedParts, Result, as_csv, path_of, read, results_by_seed
from ltbench.data.catalog import dataset
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs import plan
from ltbench.runs.execute import run_job
from ltbench.runs.kept import Keep
from ltbench.runs.store import Cell, Store
from ltbench.runs.workspace import Workspace

CPU = torch.device("cpu")
SMALL = {
    "features": "features",
    "plane": "plane(points=3, train_per_class=3, test_per_class=3)",
    "line": "line(draws=2)",
    "trajectory": "trajectory(points=2, per_class=3, statistics=50)",
    "drift": "drift(points=2, between=2, per_class=3, statistics=50)",
    "hessian": "hessian(per_class=2, steps=3, probes=1, traces=2)",
    "gradients": "gradients(batches=2)",
    "predictions": "predictions",
    "openset": "openset",
}
TAIL = "smoke(epochs=3, tail_only=True)"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for protocol in ("smoke(epochs=3)", TAIL):
        jobs = plan.make(
            [dataset("digits_lt")], ["ce"], [0], Store(folder), protocol_name=protocol
        ).jobs
        run_job(jobs[0], Workspace(folder, folder, keep=Keep(1)), lambda report: None)
    return Store(folder)


@pytest.fixture(scope="module")
def record(store):
    return next(record for record in store.records() if record.protocol != TAIL)


@pytest.fixture(scope="module")
def subject(store, record):
    return finished(record, store, store.root, CPU)


def test_a_run_on_streamed_images_is_refused_in_one_sentence(store, make_record):
    record = make_record("ce", 0, 1.0, dataset="imagenet_lt", protocol="smoke")
    with pytest.raises(LtbenchError, match="imagenet_lt is streamed from its file"):
        finished(record, store, store.root, CPU)


def test_every_analysis_is_tried_here():
    assert SMALL.keys() == ANALYSES.keys()


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_writes_rows_with_what_determines_them(name, store, record, subject):
    specification, analysis = build_analysis(SMALL[name])
    work = prepared(specification, analysis, record, store, subject)
    assert work.seconds > 0
    heard = []
    assert work.perform(None, lambda part, done, of: heard.append((done, of)))
    assert heard[-1] == (len(work.parts), len(work.parts))
    (result,) = results_by_seed(store, Cell.of(record), specification).values()
    for key in ("mode", "precision", "images_test", "settings", "weights_sha256", "seed", "epochs"):
        assert result.header[key]
    assert result.rows
    assert all(isinstance(row["value"], int | float) for row in result.rows)
    assert work.finished


def test_before_the_first_epoch_all_trainings_of_a_seed_have_one_network(store, record, subject):
    run, _ = subject
    tail = run.beside("", True)
    first, other = run.network(0).state_dict(), tail.network(0).state_dict()
    assert not run.network(0).training
    assert all(torch.equal(part, other[name]) for name, part in first.items())
    assert not torch.equal(tail.network(3).state_dict()["classifier.weight"],
                           run.network(3).state_dict()["classifier.weight"])  # fmt: skip
    assert (run.tail_only, tail.tail_only) == (False, True)


def test_drift_names_the_runs_it_is_drawn_beside_and_what_trains_one_that_lacks(
    store, record, subject
):
    specification, analysis = build_analysis(SMALL["drift"])
    header = prepared(specification, analysis, record, store, subject).kept.header
    assert TAIL in header["tail_run"]
    assert header["full_weights_sha256"] == record.files["weights"] != header["tail_weights_sha256"]
    _, other = build_analysis("drift(full='ce+sam')")
    with pytest.raises(LtbenchError, match=r"has not run; `ltbench run .*ce\+sam.*--keep snapsh"):
        prepared("drift(full='ce+sam')", other, record, store, subject)
    assert skipped(analysis, subject[0]) is None
    tail = next(each for each in store.records() if each.protocol == TAIL)
    assert "trained on the tail" in skipped(analysis, finished(tail, store, store.root, CPU)[0])


def test_kept_epochs_have_features_of_their_own(store, record, subject):
    specification, analysis = build_analysis("features(view='both')")
    work = prepared(specification, analysis, record, store, subject)
    assert [part.epoch for part in work.parts] == [1, 2, 3]


def test_a_budget_leaves_parts_for_later_and_the_same_command_goes_on(store, record, subject):
    specification, analysis = build_analysis("plane(points=5, train_per_class=2, test_per_class=2)")
    work = prepared(specification, analysis, record, store, subject)
    assert not work.perform(time.monotonic() - 1, lambda *heard: None)
    assert len(work.left) == 5
    work.kept.add(
        "0/0", work.analysis.analyse(work.run, work.run.network(3), work.data, work.parts[0])
    )
    again = prepared(specification, analysis, record, store, subject)
    assert [part.name for part in again.left] == ["0/1", "0/2", "0/3", "0/4"]
    assert again.perform(None, lambda *heard: None)
    whole = read(again.path)
    assert not again.kept.path.exists()
    assert len(whole.rows) == 25 * 2 * 10
    alone = prepared(specification, analysis, record, store, subject)
    alone.path.unlink()
    assert alone.perform(None, lambda *heard: None)
    assert read(alone.path).rows == whole.rows


def test_parts_of_other_weights_are_not_taken_up(tmp_path):
    one = FinishedParts.of(tmp_path / "seed0.csv", {"weights_sha256": "a", "torch": "1"})
    one.add("x", [{"value": 1}])
    same = FinishedParts.of(tmp_path / "seed0.csv", {"weights_sha256": "a", "torch": "2"})
    other = FinishedParts.of(tmp_path / "seed0.csv", {"weights_sha256": "b", "torch": "1"})
    assert (list(same.done), list(other.done)) == (["x"], [])


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [{"a": 1, "b": None, "value": 0.25}, {"a": 2, "b": "x: y", "value": -1e-9}]
    path = tmp_path / "seed0.csv"
    path.write_text(as_csv(Result({"analysis": "plane", "settings": "a: b, c"}, rows)))
    found = read(path)
    assert found.rows == rows
    assert found.header["settings"] == "a: b, c"
    assert found.where(a=2) == rows[1:]
    path.write_text(path.read_text()[:40])
    with pytest.raises(LtbenchError, match="analyse the run again"):
        read(path)


def test_settings_are_canonical_and_strange_ones_refused(store):
    assert build_analysis("plane(points=21)")[0] == "plane"
    assert build_analysis("plane(reach=2, points=5)")[0] == "plane(points=5, reach=2.0)"
    for strange, word in (
        ("plan", "did you mean plane"), ("plane(point=3)", "points"),
        ("plane(points=20)", "make it odd"), ("hessian(steps=1)", "at least 2"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=word):
            build_analysis(strange)


def test_a_run_without_weights_is_told_the_command(store, record, tmp_path):
    bare = record.model_copy(update={"files": {"curves": record.files["curves"]}})
    with pytest.raises(LtbenchError, match=r"--keep weights --force"):
        weights_path(bare, store)


def test_weights_that_lie_elsewhere_are_said(record, tmp_path):
    with pytest.raises(LtbenchError, match=r"not here; put seed0.safetensors beside the record"):
        weights_path(record, Store(tmp_path))


def test_weights_that_predict_otherwise_than_the_record_are_refused(store, record):
    scores = record.last.model_copy(update={"top1": record.last.top1 - 5})
    with pytest.raises(LtbenchError, match="the method's code is another by now"):
        finished(record.model_copy(update={"last": scores}), store, store.root, CPU)


def test_other_training_images_are_refused(store, record):
    other = record.model_copy(
        update={"data": record.data.model_copy(update={"indices_sha256": "0" * 64})}
    )
    with pytest.raises(LtbenchError, match="trained on other images"):
        finished(other, store, store.root, CPU)


def test_the_place_of_a_result_names_everything(store, record):
    path = path_of(store, Cell.of(record), "plane(points=5)")
    assert path.parts[-2:] == ("plane-points=5", "seed0.csv")
    assert record.network in path.parts
