"""Evaluation from stored logits: what a run itself would say, and refusals in words."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ltbench.analysis.posthoc import (
    AS_RECORDED,
    EvaluationGrid,
    adjusting,
    commands,
    evaluate,
    logits_of,
)
from ltbench.api.task import Task
from ltbench.data.catalog import dataset
from ltbench.data.profile import class_counts
from ltbench.errors import LtbenchError, UsageError
from ltbench.evaluation.label_shift import prior
from ltbench.runs import plan
from ltbench.runs.artifacts import logits_npz, read_logits
from ltbench.runs.execute import run_job
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

UNIFORM = (prior("uniform"),)
PLAIN = EvaluationGrid(((100, 20),), UNIFORM)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A training with a post-hoc cell, and one that held images out."""
    root = tmp_path_factory.mktemp("results")
    workspace, found = Workspace(root, root / "data", "cpu"), Store(root)
    for validation in (None, 3):
        methods = ["ce", "ce+posthoc_logit_adjustment", "ce+rebalance"]
        jobs = plan.make(
            [dataset("digits_lt")], methods, [0], found,
            protocol_name="fast(epochs=4, warmup_epochs=1)", validation=validation,
        ).jobs  # fmt: skip
        for job in jobs:
            run_job(job, workspace, lambda _: None)
    return found


@pytest.fixture
def record(store):
    return by_method(store)["ce"]


def by_method(store, held_out=0):
    records = (r for r in store.records() if r.settings["validation"] == held_out)
    return {record.method: record for record in records}


def rows(record, store, **changes):
    grid = EvaluationGrid(**{**vars(PLAIN), **changes})
    return list(evaluate(record, logits_of(record, store), grid))


def test_the_usual_way_gives_the_record(store, record):
    (row,) = rows(record, store)
    last = record.last.model_dump()
    for name in ("top1", "many", "medium", "few"):
        assert row[name] == pytest.approx(last[name], abs=0.41)  # two of 500 images by rounding
    assert row["calibration_error"] == pytest.approx(last["calibration_error"], abs=0.5)
    assert (row["post_hoc"], row["temperature"], row["bins"]) == (AS_RECORDED, None, 15)
    assert [row[f"{name}_classes"] for name in ("many", "medium", "few")] == [1, 5, 4]


def test_post_hoc_parts_give_what_their_own_cells_recorded(store, record):
    cells = by_method(store)
    parts = ("posthoc_logit_adjustment", "rebalance")
    _, *found = rows(record, store, post_hoc=parts)
    assert [row["post_hoc"] for row in found] == list(parts)
    for row in found:
        last = cells[f"ce+{row['post_hoc']}"].last
        assert row["top1"] == pytest.approx(last.top1, abs=0.41)
        assert row["calibration_error"] == pytest.approx(last.calibration_error, abs=0.5)


def test_thresholds_move_classes_between_groups(store, record):
    found = rows(record, store, thresholds=((100, 20), (50, 9)))
    assert [found[1][f"{name}_classes"] for name in ("many", "medium", "few")] == [3, 5, 2]
    assert found[0]["top1"] == found[1]["top1"]
    accuracy = 100 * np.array(record.last.correct) / record.last.total
    assert found[1]["many"] == pytest.approx(accuracy[:3].mean(), abs=0.5)


@pytest.mark.parametrize(
    ("thresholds", "sizes"),
    [((100, 20), (35, 35, 30)), ((100, 21), (35, 34, 31)), ((97, 19), (36, 35, 29))],
)
def test_the_three_conventions_of_the_field(thresholds, sizes):
    counts = torch.tensor(class_counts(500, 100, 100.0))
    task = Task(counts, 0, *thresholds)
    assert tuple(int(mask.sum()) for mask in task.shots.values()) == sizes


def test_held_out_images_count_for_the_shot_groups_as_in_the_record(store):
    record = by_method(store, held_out=3)["ce"]
    (row,) = rows(record, store)
    assert row["many"] == pytest.approx(record.last.many, abs=0.5)
    assert [row[f"{name}_classes"] for name in ("many", "medium", "few")] == [1, 5, 4]


def test_a_prior_weighs_the_classes(store, record):
    found = rows(record, store, priors=(prior("forward50"), prior("backward50")))
    accuracy = 100 * np.array(record.last.correct) / record.last.total
    shares = prior("forward50").shares(np.array(record.data.class_counts))
    assert found[0]["top1"] == pytest.approx(shares @ accuracy, abs=0.5)
    assert found[1]["top1"] == pytest.approx(shares[::-1] @ accuracy, abs=0.5)
    assert found[0]["few"] == found[1]["few"]  # a mean over classes


def test_a_part_that_reads_all_test_images_meets_no_shifted_prior(store, record):
    with pytest.raises(UsageError, match="rebalance reads the whole test set at once"):
        rows(record, store, post_hoc=("rebalance",), priors=(prior("forward50"),))


def test_temperature_is_fitted_on_held_out_images_and_changes_no_prediction(store):
    record = by_method(store, held_out=3)["ce"]
    plain, scaled = rows(record, store, fitted_on="held-out")
    assert scaled["fitted_on"] == "held-out training images"
    assert scaled["fitted_images"] == 30
    assert scaled["top1"] == plain["top1"]
    assert scaled["log_loss"] != plain["log_loss"]
    held = logits_of(record, store).held_out
    assert held[0].shape == (30, 10)
    assert np.bincount(held[1]).tolist() == [3] * 10


def test_a_temperature_at_its_bound_is_warned_of_and_left_out(store):
    record = by_method(store, held_out=3)["ce"]
    logits = logits_of(record, store)
    labels = logits.held_out[1]
    easy = replace(logits, held_out=(np.eye(10, dtype=np.float32)[labels], labels))
    said = []
    grid = EvaluationGrid(**{**vars(PLAIN), "fitted_on": "held-out"})
    (row,) = evaluate(record, easy, grid, said.append)
    assert row["post_hoc"] == AS_RECORDED
    (sentence,) = said
    assert "ce on digits_lt" in sentence
    assert "hold out more" in sentence


def test_without_held_out_images_no_temperature_is_fitted_on_them(store, record):
    with pytest.raises(LtbenchError, match=r"kept no training images apart.*--validation 2"):
        rows(record, store, fitted_on="held-out")


def test_halves_of_the_test_set_are_said_to_be_that(store, record):
    plain, scaled = rows(record, store, fitted_on="test-halves")
    assert scaled["fitted_on"] == "the other half of the test set"
    assert scaled["fitted_images"] == 250
    assert scaled["top1"] == plain["top1"]
    assert scaled["log_loss"] < plain["log_loss"] + 0.01


@pytest.mark.parametrize("part", ["tau_norm", "sam", "ce", "posthoc_logit_adjustment+tau_norm"])
def test_what_needs_more_than_logits_is_refused(part):
    with pytest.raises(UsageError, match="cannot be applied to stored logits"):
        adjusting(part)


def test_logits_that_are_missing_damaged_or_anothers(store, record, tmp_path):
    other = Store(tmp_path)
    path = other.logits_path(record.fingerprint)
    assert logits_of(record, other) is None
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of another run")
    with pytest.raises(LtbenchError, match="its SHA-256 is another"):
        logits_of(record, other)
    record = record.model_copy(update={"files": {}})  # as older versions wrote it
    whole = (store.logits_path(record.fingerprint)).read_bytes()
    for content in (b"", whole[:100], whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(LtbenchError, match="does not read"):
            logits_of(record, other)
    logits, labels = read_logits(store.logits_path(record.fingerprint)).test
    for wrong in (np.roll(labels, 100), np.zeros_like(labels)):
        path.write_bytes(logits_npz((torch.from_numpy(logits), torch.from_numpy(wrong))))
        with pytest.raises(LtbenchError, match="is not what ce on digits_lt"):
            logits_of(record, other)


def test_commands_train_again_beside_the_records(store):
    from ltbench.runs.store import Cell

    found = commands([Cell.of(record) for record in store.records()], store.root)
    assert len(found) == 2
    for command in found:
        assert "--methods ce,ce+posthoc_logit_adjustment,ce+rebalance " in command
        assert f"--results {store.root}-again" in command
    assert sum("validation=3" in command for command in found) == 1


def test_the_store_is_left_as_it_was(store, record, tree_of):
    before = tree_of(store.root)
    rows(record, store, post_hoc=("rebalance",), fitted_on="test-halves")
    assert tree_of(store.root) == before


@pytest.fixture
def tree_of():
    def read(folder):
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*")}

    return read
