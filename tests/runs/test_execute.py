"""One training from its job to its records, on the real digits."""

import csv
import re
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from disks import files_in
from made_runs import cell_fingerprint

from ltbench.data.profile import FEW_BELOW, MANY_ABOVE
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.precision import has_bfloat16
from ltbench.errors import LtbenchError
from ltbench.evaluation.metrics import calibration_error
from ltbench.registry.methods import build
from ltbench.runs import execute, timing
from ltbench.runs.cost import estimate
from ltbench.runs.execute import run_job
from ltbench.runs.executors.workers import run_here
from ltbench.runs.files import read_failure, write_file
from ltbench.runs.step_time import StepTime
from ltbench.runs.store import Cell, Store
from ltbench.runs.training import split_of, training_of
from ltbench.runs.workspace import Workspace
from ltbench.testing.conformance import equal

POST_HOC = "ce+posthoc_logit_adjustment"
PROTOCOL = "fast(epochs=3, evaluate_every=1)"


def no_training(report):
    raise AssertionError("nothing should be trained")


def curves(results: Path, cell: Cell) -> list[dict[str, str]]:
    with Store(results).curves_path(cell).open(newline="") as file:
        return list(csv.DictReader(file))


def expect_private(text: str, workspace: Workspace) -> None:
    """No host name and no folder is in what is shared."""
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b", text)
    for folder in (Path.home(), workspace.results.parent, Path.cwd()):
        assert len(str(folder)) == 1 or str(folder) not in text


@pytest.fixture(scope="module")
def done(tmp_path_factory, jobs_of):
    """One training of three epochs, finished, with the cell that is read off it."""
    results = tmp_path_factory.mktemp("done") / "results"
    (job,) = jobs_of(results, ["ce", POST_HOC], protocol_name=PROTOCOL)
    workspace = Workspace(results, results.parent / "data", "cpu")
    reports = []
    records = run_job(job, workspace, reports.append)
    return job, workspace, records, reports


# what a record says


def test_a_record_names_its_cell_and_everything_resolved(done):
    job, workspace, (plain, _), _ = done
    assert Cell.of(plain) == job.cells[0]
    assert plain.settings == job.protocol.model_dump()
    assert plain.settings["epochs"] == 3
    assert plain.trained == "ce"
    assert plain.parameters == {"ce": {}}
    assert plain.fingerprint == cell_fingerprint(job.cells[0], build("ce"), job.protocol)
    (stage,) = plain.stages
    assert stage["recipe"]["epochs"] == 3
    assert stage["recipe"]["learning_rate"] == plain.settings["learning_rate"]
    assert Store(workspace.results).read(job.cells[0]) == plain


def test_a_record_says_what_it_was_trained_on(done):
    job, workspace, (plain, _), _ = done
    split = split_of(job, workspace)
    assert plain.data.class_counts == (120, 86, 61, 44, 31, 22, 16, 11, 8, 6)
    assert Counter(split.train.labels.tolist()) == dict(enumerate(plain.data.class_counts))
    assert plain.data.indices_sha256 == split.indices_sha256
    assert (plain.data.many_above, plain.data.few_below) == (MANY_ABOVE, FEW_BELOW) == (100, 20)
    assert plain.data.test_images == sum(plain.last.total) == 500


def test_accuracies_follow_from_the_counts_per_class(done):
    *_, records, _ = done
    for record in records:
        counts = record.data.class_counts
        for scores in filter(None, (record.last, record.best)):
            assert scores.total == (50,) * 10
            assert scores.top1 == pytest.approx(100 * sum(scores.correct) / 500, abs=1e-9)
            accuracy = [100 * c / t for c, t in zip(scores.correct, scores.total, strict=True)]
            for name, member in {
                "many": lambda n: n > 100,
                "medium": lambda n: 20 <= n <= 100,
                "few": lambda n: n < 20,
            }.items():
                chosen = [a for a, n in zip(accuracy, counts, strict=True) if member(n)]
                assert getattr(scores, name) == pytest.approx(np.mean(chosen), abs=1e-9)


def test_the_headline_is_the_last_epoch_and_the_best_is_the_first_maximum(done):
    job, workspace, (plain, _), _ = done
    rows = curves(workspace.results, job.cells[0])
    top1 = [float(row["top1"]) for row in rows]
    assert plain.last.epoch == 3
    assert plain.last.top1 == pytest.approx(top1[-1])
    assert plain.best.top1 == pytest.approx(max(top1))
    assert plain.best.epoch == 1 + top1.index(max(top1))
    assert plain.selected is None


def test_a_post_hoc_cell_shares_the_training_and_has_no_best_epoch(done):
    _, workspace, (plain, adjusted), reports = done
    assert (adjusted.method, adjusted.trained) == (POST_HOC, "ce")
    assert adjusted.best is None
    assert adjusted.fingerprint != plain.fingerprint
    assert adjusted.cost.train_seconds == plain.cost.train_seconds
    assert adjusted.cost.steps == plain.cost.steps == 3 * 13  # trained once
    assert sum(report.loss is not None for report in reports) == 3
    logits = {}
    for record in (plain, adjusted):
        arrays = np.load(workspace.results / "work" / record.fingerprint / "logits.npz")
        logits[record.method] = arrays["logits"].astype(np.float64)
    prior = np.log(np.array(plain.data.class_counts) / sum(plain.data.class_counts))
    np.testing.assert_allclose(logits[POST_HOC], logits["ce"] - prior, atol=2e-2)  # half precision


def test_curves_have_a_row_an_epoch(done):
    job, workspace, _, reports = done
    for cell in job.cells:
        rows = curves(workspace.results, cell)
        assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
        assert [row["stage"] for row in rows] == ["train"] * 3
        rates = [float(row["learning_rate"]) for row in rows]
        assert rates == pytest.approx([job.protocol.recipe().learning_rate_at(e) for e in range(3)])
        losses = [report.loss for report in reports if report.loss is not None]
        assert [float(row["loss"]) for row in rows] == pytest.approx(losses, rel=1e-5)
        seconds = [float(row["seconds"]) for row in rows]
        assert seconds == sorted(seconds)


def test_reports_count_every_step_and_epoch(done):
    *_, reports = done
    steps = [(report.epoch, report.step) for report in reports if report.loss is None]
    assert steps == [(epoch, step) for epoch in range(3) for step in range(1, 14)]
    assert all(report.epochs == 3 and report.steps == 13 for report in reports)
    assert [report.epoch for report in reports if report.loss is not None] == [1, 2, 3]


def test_kept_logits_agree_with_the_record(done):
    _, workspace, records, _ = done
    for record in records:
        arrays = np.load(workspace.results / "work" / record.fingerprint / "logits.npz")
        logits, labels = arrays["logits"], arrays["labels"]
        assert logits.shape == (500, 10)
        assert np.bincount(labels).tolist() == list(record.last.total)
        correct = np.bincount(labels[logits.argmax(1) == labels], minlength=10)
        # Kept in half precision: a near tie or two may fall the other way.
        assert np.abs(correct - np.array(record.last.correct)).sum() <= 3
        error = calibration_error(torch.tensor(logits).float(), torch.tensor(labels))
        assert error == pytest.approx(record.last.calibration_error, abs=0.5)


def test_a_record_says_where_it_ran_but_not_who_or_which_machine(done):
    job, workspace, (plain, _), _ = done
    here = plain.environment
    assert here.torch == torch.__version__
    assert here.threads == 1
    assert here.cuda is None
    folder = Store(workspace.results).path(job.cells[0]).parent
    for path in folder.iterdir():
        expect_private(path.read_text(), workspace)
    assert here.commit is None or re.fullmatch(r"[0-9a-f]{40}", here.commit)


def test_cost_is_counted(done):
    job, workspace, (plain, _), _ = done
    assert plain.cost.train_seconds > 0
    assert plain.cost.evaluate_seconds > 0
    images = 3 * sum(plain.data.class_counts)
    assert plain.cost.images_per_second == pytest.approx(images / plain.cost.train_seconds)
    assert plain.cost.peak_memory_mib > 10
    network = training_of(job, workspace).network
    assert plain.cost.parameters == sum(p.numel() for p in network.parameters())
    assert plain.deviations == []
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", plain.finished)


def test_only_records_curves_and_scratch_lie_in_the_results(done):
    _, workspace, records, _ = done
    names = {Path(name).name for name in files_in(workspace.results)}
    assert names == {"seed0.json", "seed0.csv", "checkpoint.pt", "logits.npz", "lock"}
    assert len(files_in(workspace.results, "seed0.json")) == len(records) == 2


def test_deviations_of_every_part_are_in_the_record(workspace, jobs_of):
    (job,) = jobs_of(
        workspace.results, "logit_adjustment+sam", protocol_name="smoke(precision='bfloat16')"
    )
    (record,) = run_job(job, workspace, lambda report: None)
    assert len(record.deviations) == 3
    how = "" if has_bfloat16(torch.device("cpu")) else ", multiplied in float32"
    assert record.deviations[0] == (
        f"forward passes in bfloat16 autocast over float32 weights{how}"
    )
    assert list(record.parameters) == ["logit_adjustment", "sam"]
    assert record.parameters["sam"] == {"rho": 0.05}


# what is done again, and what is not


def test_a_finished_job_trains_nothing_and_changes_no_byte(done):
    job, workspace, records, _ = done
    before = {name: (workspace.results / name).read_bytes() for name in files_in(workspace.results)}
    assert run_job(job, workspace, no_training) == records
    assert {
        name: (workspace.results / name).read_bytes() for name in files_in(workspace.results)
    } == before


def test_a_post_hoc_part_asked_for_later_is_read_off_the_trained_network(
    workspace, jobs_of, lasting
):
    (job,) = jobs_of(workspace.results, "ce")
    run_job(job, workspace, lambda report: None)
    (later,) = jobs_of(workspace.results, ["ce", POST_HOC])
    assert [cell.method for cell in later.cells] == [POST_HOC]
    (record,) = run_job(later, workspace, no_training)
    fresh = replace(workspace, results=workspace.results / "fresh")
    (job,) = jobs_of(fresh.results, ["ce", POST_HOC])
    _, together = run_job(job, fresh, lambda report: None)
    assert lasting(record) == lasting(together)


def test_a_lost_record_is_made_again_from_the_checkpoint(workspace, jobs_of, lasting):
    (job,) = jobs_of(workspace.results)
    (record,) = run_job(job, workspace, lambda report: None)
    Store(workspace.results).path(job.cells[0]).unlink()
    (again,) = run_job(job, workspace, no_training)
    assert lasting(again) == lasting(record)
    assert again.cost.train_seconds == record.cost.train_seconds


def test_force_trains_again_and_replaces_the_record(workspace, jobs_of, lasting):
    (job,) = jobs_of(workspace.results)
    (record,) = run_job(job, workspace, lambda report: None)
    epochs = []
    (again,) = run_job(
        replace(job, anew=True), workspace, lambda report: epochs.append(report.loss)
    )
    assert sum(loss is not None for loss in epochs) == 2
    assert lasting(again) == lasting(record)
    assert Store(workspace.results).read(job.cells[0]) == again


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(workspace, jobs_of, lasting):
    twice, kept = [], []
    for name in ("one", "two"):
        here = replace(workspace, results=workspace.results / name)
        first, second = jobs_of(here.results, "ldam_drw+sam", seeds=[0, 1])
        (record,) = run_job(first, here, lambda report: None)
        twice.append(lasting(record))
        kept.append((here.results / "work" / first.fingerprint / "logits.npz").read_bytes())
    assert twice[0] == twice[1]
    assert kept[0] == kept[1]
    (other,) = run_job(second, here, lambda report: None)
    assert other.last != record.last
    assert other.data == record.data  # the subset's seed is the protocol's


# held-out images


def test_held_out_images_choose_the_epoch_and_are_not_trained_on(workspace, jobs_of):
    (job,) = jobs_of(
        workspace.results, protocol_name="fast(epochs=4, evaluate_every=1, validation=3)"
    )
    (record,) = run_job(job, workspace, lambda report: None)
    rows = curves(workspace.results, job.cells[0])
    held = [float(row["validation_top1"]) for row in rows]
    assert record.selected.epoch == 1 + held.index(max(held))
    assert record.selected.top1 == pytest.approx(float(rows[record.selected.epoch - 1]["top1"]))
    assert record.selected.total == record.last.total  # selected on held-out, scored on test images
    assert record.data.class_counts == (117, 83, 58, 41, 28, 19, 13, 8, 5, 3)
    split = split_of(job, workspace)
    assert torch.bincount(split.validation.labels).tolist() == [3] * 10
    seen = {image.numpy().tobytes() for image in split.train.images}
    assert len(seen) == sum(record.data.class_counts)
    assert not seen & {image.numpy().tobytes() for image in split.validation.images}
    assert not seen & {image.numpy().tobytes() for image in split.test.images}


# failures


def nan_from(epoch: int, step: int) -> str:
    return f"""
    def losses(self, outputs, batch, clock):
        late = (clock.epoch, clock.step) >= ({epoch - 1}, {step - 1})
        broken = late and not Path("mended").exists()
        return super().losses(outputs, batch, clock) * (float("nan") if broken else 1.0)
    """


def test_a_loss_that_is_no_number_stops_its_run_only_and_says_when(
    workspace, jobs_of, method_file, listener, lasting, tmp_path, monkeypatch
):
    from ltbench.registry.methods import load_file

    monkeypatch.chdir(tmp_path)
    load_file(method_file("diverges", nan_from(epoch=2, step=7)))
    first, second = jobs_of(
        workspace.results, ["diverges", "ce"], protocol_name="fast(epochs=3, evaluate_every=1)"
    )
    workspace = replace(workspace, checkpoint_every=0.0)
    outcome = run_here([first, second], workspace, listener, debug=False)
    assert [record.method for record in outcome.records] == ["ce"]
    assert list(outcome.failures) == [str(first)]
    assert "not finite at epoch 2, step 7" in outcome.failures[str(first)]
    assert [event for event, _ in listener.events] == ["started", "failed", "started", "finished"]

    store = Store(workspace.results)
    failure = read_failure(store.failure_path(first.cells[0]))
    assert (failure.epoch, failure.step) == (2, 7)
    assert Cell.of(failure) == first.cells[0]
    assert failure.error == outcome.failures[str(first)]
    expect_private(failure.model_dump_json(), workspace)
    assert store.read(first.cells[0]) is None
    assert [record.method for record in store.records()] == ["ce"]
    assert not store.problems
    assert not files_in(workspace.results, "*.tmp")

    # The same again fails again; mended, it goes on from the last good epoch and clears its name.
    with pytest.raises(LtbenchError, match="epoch 2, step 7"):
        run_job(first, workspace, lambda report: None)
    Path("mended").touch()
    seen = []
    (record,) = run_job(first, workspace, lambda report: seen.append(report.epoch))
    assert min(seen) == 1  # one epoch was whole
    assert not store.failure_path(first.cells[0]).exists()
    assert store.read(first.cells[0]) == record
    plain = lasting(outcome.records[0])
    assert lasting(record)["last"] == plain["last"]  # mended, the method is CE


def test_weights_that_are_no_numbers_are_noticed_where_the_loss_still_was_one(
    workspace, jobs_of, method_file
):
    from ltbench.registry.methods import load_file

    # The last gradient of an epoch spoils the weights after the last loss was seen.
    body = """
    def backward(self, step):
        super().backward(step)
        if (step.clock.epoch, step.clock.step) == (1, step.clock.steps - 1):
            next(step.network.parameters()).grad.fill_(float("nan"))
    """
    load_file(method_file("spoils", body))
    (job,) = jobs_of(workspace.results, "spoils", protocol_name="fast(epochs=2, evaluate_every=1)")
    with pytest.raises(LtbenchError) as caught:
        run_job(job, workspace, lambda report: None)
    assert "epoch 2" in str(caught.value)
    assert "\n" not in str(caught.value)
    failure = read_failure(Store(workspace.results).failure_path(job.cells[0]))
    assert failure.epoch == 2


def test_an_unforeseen_error_fails_its_job_only_unless_debugging(
    workspace, jobs_of, method_file, listener
):
    from ltbench.registry.methods import load_file

    load_file(method_file("breaks", "def penalty(self, network, clock):\n    return 1 / 0"))
    jobs = jobs_of(workspace.results, ["breaks", "ce"])
    outcome = run_here(jobs, workspace, listener, debug=False)
    assert [record.method for record in outcome.records] == ["ce"]
    (reason,) = outcome.failures.values()
    where = "ZeroDivisionError: division by zero (breaks.py, line 18)"
    assert reason == f"{where}; --debug shows the traceback"
    failure = read_failure(Store(workspace.results).failure_path(jobs[0].cells[0]))
    assert failure.error == where
    assert (failure.epoch, failure.step) == (None, None)
    with pytest.raises(ZeroDivisionError):
        run_here(jobs[:1], workspace, listener, debug=True)


def test_a_reader_who_went_away_is_no_failure_of_the_run(workspace, jobs_of):
    def observe(report):
        raise BrokenPipeError  # standard output is closed, as by `ltbench run | head`

    (job,) = jobs_of(workspace.results)
    with pytest.raises(BrokenPipeError):
        run_job(job, workspace, observe)
    assert not files_in(workspace.results, "*.failed.json")


def test_no_failure_record_where_nothing_can_be_written(tmp_path, workspace, jobs_of, listener):
    jobs = jobs_of(workspace.results)
    (tmp_path / "file").touch()
    workspace = replace(workspace, results=tmp_path / "file" / "below")
    (reason,) = run_here(jobs, workspace, listener, debug=False).failures.values()
    assert "--results" in reason
    assert files_in(tmp_path) == ["file"]


# checkpoints


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory, jobs_of):
    """A finished job whose checkpoint tests may spoil: job, workspace, path, content."""
    results = tmp_path_factory.mktemp("checkpointed") / "results"
    (job,) = jobs_of(results)
    workspace = Workspace(results, results.parent / "data", "cpu")
    run_job(job, workspace, lambda report: None)
    path = Store(results).work(job.fingerprint) / "checkpoint.pt"
    return job, workspace, path, path.read_bytes()


def expect_refusal(checkpointed):
    job, workspace, path, _ = checkpointed
    with pytest.raises(LtbenchError) as caught:
        training_of(job, workspace)
    assert str(caught.value).startswith(f"checkpoint {path} does not read (")
    assert "delete it" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_truncated_checkpoint_is_named_with_the_remedy(checkpointed, share):
    *_, path, content = checkpointed
    path.write_bytes(content[: int(share * len(content))])
    expect_refusal(checkpointed)


@pytest.mark.parametrize("content", [b"\0" * 1000, b"PK\x03\x04", b"{}", b"\x80\x04N."])
def test_a_file_that_is_no_checkpoint_is_named_with_the_remedy(checkpointed, content):
    *_, path, _ = checkpointed
    path.write_bytes(content)
    expect_refusal(checkpointed)


def test_a_checkpoint_with_a_part_missing_is_named_with_the_remedy(checkpointed):
    *_, path, content = checkpointed
    path.write_bytes(content)
    whole = Checkpoint(path, write_file).load()
    assert {"network", "optimiser", "progress"} < whole.keys()
    for missing in whole:
        Checkpoint(path, write_file).save({k: v for k, v in whole.items() if k != missing})
        expect_refusal(checkpointed)


def test_a_checkpoint_of_another_network_is_named_with_the_remedy(checkpointed):
    *_, path, content = checkpointed
    path.write_bytes(content)
    parts = Checkpoint(path, write_file).load()
    parts["network"].pop("classifier.weight")
    Checkpoint(path, write_file).save(parts)
    expect_refusal(checkpointed)


def test_no_bit_turned_in_a_checkpoint_changes_what_is_trained_on(checkpointed):
    job, workspace, path, content = checkpointed
    path.write_bytes(content)
    whole = Checkpoint(path, write_file).load()
    refused = 0
    for at in range(len(content) // 100, len(content), len(content) // 50):
        turned = bytearray(content)
        turned[at] ^= 0x10
        path.write_bytes(turned)
        try:
            training_of(job, workspace)
        except LtbenchError:
            expect_refusal(checkpointed)
            refused += 1
        else:  # padding, for one, may change
            assert equal(Checkpoint(path, write_file).load(), whole)
    assert refused >= 25


def test_a_checkpoint_that_runs_code_is_not_obeyed(checkpointed):
    *_, path, _ = checkpointed
    mark = path.with_name("mark")

    class Trap:
        def __reduce__(self):
            return open, (str(mark), "w")

    torch.save({"progress": {}, "network": Trap()}, path)
    expect_refusal(checkpointed)
    assert not mark.exists()


def test_a_corrupt_checkpoint_fails_its_job_and_is_left_for_the_user(workspace, jobs_of, listener):
    bad, good = jobs_of(workspace.results, ["ce", "focal"])
    path = Store(workspace.results).work(bad.fingerprint) / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"torn")
    outcome = run_here([bad, good], workspace, listener, debug=False)
    assert [record.method for record in outcome.records] == ["focal"]
    assert str(path) in outcome.failures[str(bad)]
    assert "delete it" in outcome.failures[str(bad)]
    assert path.read_bytes() == b"torn"
    path.unlink()
    assert run_here([bad], workspace, listener, debug=False).failures == {}


def test_an_interrupt_that_was_swallowed_before_the_training_ends_it(
    workspace, jobs_of, monkeypatch
):
    (job,) = jobs_of(workspace.results)

    def raise_again():
        raise KeyboardInterrupt

    monkeypatch.setattr(execute, "raise_again", raise_again)
    seen = []
    with pytest.raises(KeyboardInterrupt):
        run_job(job, workspace, seen.append)
    assert seen == []
    assert Store(workspace.results).read(job.cells[0]) is None


def test_a_run_interrupted_while_it_saves_its_end_loses_no_epoch(workspace, jobs_of):
    (job,) = jobs_of(workspace.results)
    saves = []

    def interrupted_once(path, fill):
        saves.append(path)
        if len(saves) == 1:
            raise KeyboardInterrupt
        write_file(path, fill)

    training = training_of(job, workspace)
    training.checkpoint = Checkpoint(training.checkpoint.path, interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        training.run(lambda report: None)
    run_job(job, workspace, no_training)


# the estimate


def test_an_estimate_writes_nothing(workspace, jobs_of):
    assert estimate((), workspace) == 0
    assert 0.1 < estimate(jobs_of(workspace.results, protocol_name="fast"), workspace) < 3600
    assert not workspace.results.exists()
    assert not workspace.data.exists()


def test_an_estimate_times_each_training_once_whatever_its_seed(
    workspace, jobs_of, monkeypatch, no_cache
):
    timed = []

    def three_seconds(job, workspace):
        timed.append(job.trained)
        return StepTime(3.0 / job.size.steps, 0.0, 0.0)

    monkeypatch.setattr(timing, "measure_step_time", three_seconds)
    jobs = jobs_of(workspace.results, ["ce", "ce+posthoc_logit_adjustment", "sam"], seeds=[0, 1, 2])
    assert estimate(jobs, workspace) == pytest.approx(18.0)
    assert timed == ["ce", "sam"]
    assert estimate(jobs, workspace, workers=2) == pytest.approx(9.0)
    assert estimate(jobs, workspace, workers=100) == pytest.approx(3.0)


def test_an_estimate_leaves_the_checkpoint_of_the_real_run_alone(checkpointed):
    job, workspace, path, content = checkpointed
    path.write_bytes(content)
    estimate((replace(job, anew=True),), workspace)
    assert path.read_bytes() == content


def test_what_bind_sets_up_is_not_lost_before_the_last_prediction(workspace, jobs_of, method_file):
    from ltbench.registry.methods import load_file

    body = """
    def setup(self, task):
        super().setup(task)
        self.state = {"steps": 0}

    def after_step(self, step):
        self.state["steps"] += 1

    def adjust_logits(self, logits):
        logits[:, 1 if self.state["steps"] else 0] += 1000
        return logits
    """
    load_file(method_file("counting", body))
    (job,) = jobs_of(workspace.results, "counting")
    (record,) = run_job(job, workspace, lambda report: None)
    assert record.last.correct == record.best.correct
    assert record.last.correct[0] == 0
    assert record.last.correct[1] == record.last.total[1]
