"""Kept weights: what they restore, that keeping changes no result, damaged and strange files."""

import pytest
import torch
from made_trainings import split, training
from safetensors.torch import load_file, save_file

from ltbench import build
from ltbench.engine.evaluate import finalised, logits_of
from ltbench.errors import LtbenchError, UsageError
from ltbench.runs.execute import run_job
from ltbench.runs.kept import Keep, epochs_in, keep_epoch, kept_file, restore
from ltbench.runs.store import Store
from ltbench.runs.unit import file_of
from ltbench.runs.workspace import Workspace


def test_what_may_be_kept():
    assert Keep.parse(None) is None
    assert Keep.parse("weights") == Keep()
    assert str(Keep.parse("snapshots:10")) == "snapshots:10"
    for strange in ("all", "snapshots", "snapshots:0", "snapshots:-1"):
        with pytest.raises(UsageError, match="snapshots:10"):
            Keep.parse(strange)


def finished(method, tmp_path, keep=None, epochs=4, seen=None):
    """A finished training and the file of its kept weights; `seen` gets every epoch's logits."""
    store, own = Store(tmp_path), training(split(), build(method), epochs=epochs)

    def observe(report):
        if report.loss is not None:
            keep_epoch(own, store, "f", keep or Keep())
            if seen is not None:
                seen.append(predictions(own))

    own.run(observe)
    path = tmp_path / "kept.safetensors"
    path.write_bytes(kept_file(own, store, "f"))
    return own, path


def predictions(one):
    network = finalised(one.method, one.network)
    return logits_of(one.method, network, one.test, one.autocast)


@pytest.mark.parametrize("method", ["ce", "ce+swa(start=0.0)", "more", "crt", "bbn"])
def test_restored_weights_predict_what_the_training_did(method, tmp_path):
    """Averages, merged parts, a new stage's head, another backbone: states come along."""
    own, path = finished(method, tmp_path)
    other = training(split(), build(method), epochs=4)
    restore(other, path, own.progress.epochs_done)
    assert torch.equal(predictions(other), predictions(own))


def test_every_second_epoch_and_the_last_are_kept(tmp_path):
    seen = []
    _, path = finished("ce", tmp_path, Keep(2), epochs=5, seen=seen)
    assert epochs_in(path) == (2, 4, 5)
    for epoch in (2, 4, 5):
        other = training(split(), epochs=5)
        restore(other, path, epoch)
        assert torch.equal(predictions(other), seen[epoch - 1])
    with pytest.raises(LtbenchError, match="no weights of epoch 3; it has those of 2, 4, 5"):
        restore(training(split(), epochs=5), path, 3)


def test_weights_of_another_network_are_said(tmp_path):
    _, path = finished("ce", tmp_path)
    with pytest.raises(LtbenchError, match="do not fit the method as it is now"):
        restore(training(split(), build("bbn"), epochs=4), path, 4)


def test_damaged_and_strange_files_are_said(tmp_path):
    _, path = finished("ce", tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(LtbenchError, match="does not read"):
        epochs_in(path)
    save_file({"weight": torch.ones(2)}, path)
    with pytest.raises(LtbenchError, match="ltbench weights import"):
        epochs_in(path)


@pytest.fixture(scope="module")
def run_with_weights(tmp_path_factory, jobs_of):
    folder = tmp_path_factory.mktemp("kept")
    (job,) = jobs_of(folder, "ce")
    (record,) = run_job(job, Workspace(folder, folder, keep=Keep(1)), lambda report: None)
    return folder, record


def test_a_run_keeps_its_weights_beside_the_record_under_their_hash(run_with_weights):
    folder, record = run_with_weights
    path = file_of(Store(folder), record, "weights")
    assert path.name == "seed0.safetensors"
    assert epochs_in(path) == tuple(range(1, record.last.epoch + 1))
    tensors = load_file(path)
    assert all(tensor.isfinite().all() for tensor in tensors.values())
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(LtbenchError, match="not the file that belongs to its record"):
        file_of(Store(folder), record, "weights")


def test_what_is_kept_changes_neither_fingerprint_nor_result(run_with_weights, tmp_path, jobs_of):
    _, record = run_with_weights
    (job,) = jobs_of(tmp_path, "ce")
    (plain,) = run_job(job, Workspace(tmp_path, tmp_path), lambda report: None)
    assert (plain.fingerprint, plain.last) == (record.fingerprint, record.last)
    assert plain.files["logits"] == record.files["logits"]
    assert "weights" not in plain.files


def test_without_the_package_one_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("ltbench.runs.kept.find_spec", lambda name: None)
    for ask in (lambda: Keep.parse("weights"), lambda: epochs_in(tmp_path)):
        with pytest.raises(UsageError, match=r"pip install 'ltbench\[weights\]'"):
            ask()
