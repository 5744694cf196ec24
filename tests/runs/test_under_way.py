"""Trainings that began and are not over: how far they are, and whether a process is at them."""

import pytest
from filelock import FileLock
from made_runs import interrupted

from ltbench.runs.execute import run_job
from ltbench.runs.status import status
from ltbench.runs.store import Cell
from ltbench.runs.under_way import NAME, Note, under_way

PROTOCOL = "fast(epochs=6, evaluate_every=6)"
HALF = {"epoch": 2, "epochs": 6, "seconds": 4.0}


@pytest.fixture
def job(jobs_of, workspace):
    methods = ["ce", "ce+posthoc_logit_adjustment"]
    (job,) = jobs_of(workspace.results, methods, protocol_name=PROTOCOL)
    return job


def test_an_interrupted_training_says_its_last_whole_epoch_until_it_is_finished(
    job, workspace, store
):
    interrupted(job, workspace, epoch=2)
    ((said, running),) = under_way(store)
    assert (said.cells, said.epoch, said.epochs, running) == (job.cells, 2, 6, False)
    assert said.saved
    assert said.left == pytest.approx(said.seconds * 2)
    heard = []
    run_job(job, workspace, heard.append)
    assert min(report.epoch for report in heard if report.loss is not None) == 3  # goes on there
    assert list(under_way(store)) == []


def test_a_training_says_how_far_it_is_while_it_runs(job, workspace, store, monkeypatch):
    monkeypatch.setattr("ltbench.runs.under_way.SECONDS_BETWEEN", 0.0)
    seen = []

    def watch(report):
        if report.loss is not None:
            seen.extend((said.epoch, running) for said, running in under_way(store))

    run_job(job, workspace, watch)
    assert seen == [(epoch, True) for epoch in range(1, 7)]


def test_a_failed_training_is_failed_and_not_under_way(jobs_of, workspace, store, method_file):
    from ltbench.registry.methods import load_file

    load_file(method_file("fails", "def penalty(self, network, clock):\n    return 1 / 0\n"))
    (job,) = jobs_of(workspace.results, "fails")
    with pytest.raises(ZeroDivisionError):
        run_job(job, workspace, lambda report: None)
    (row,) = status(store)
    assert (row.failed, row.unfinished) == ((0,), ())


def test_status_tells_running_interrupted_and_finished_apart(store, make_record, capsys):
    from ltbench.cli.status import status as show_status

    store.write(make_record())
    own = Cell.of(make_record())
    cells = {seed: type(own)(*setting_of(own), seed) for seed in (1, 2, 3)}
    for seed, cell in cells.items():
        note = Note.of(store, f"{seed:016}", (cell,))
        note.update(**HALF)
        if seed == 2:
            note.saved()
    with FileLock(store.work(f"{1:016}") / "lock"):
        (row,) = status(store)
        show_status(store.root)
    assert row.finished == (0,)
    assert [(one.seed, one.running) for one in row.unfinished] == [
        (1, True),
        (2, False),
        (3, False),
    ]
    said = capsys.readouterr().out
    assert "seed 1 is running, 2 of 6 epochs done, about 8 s left" in said
    assert "seed 2 was interrupted, and goes on from epoch 3" in said
    assert "seed 3 ended without notice after epoch 2" in said  # killed: who knows what it saved
    assert "holds no runs" not in said


def test_status_names_the_machine_that_a_training_is_on_if_it_is_another(
    store, make_record, capsys, monkeypatch
):
    from ltbench.cli.status import status as show_status

    cell = Cell.of(make_record())
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "node7")
        Note.of(store, "0" * 16, (cell,)).update(**HALF)
    with FileLock(store.work("0" * 16) / "lock"):
        (row,) = status(store)
        show_status(store.root)
    assert row.unfinished[0].node == "node7"
    assert "seed 0 is running on node7, 2 of 6 epochs done" in capsys.readouterr().out


def test_status_does_not_call_a_folder_empty_whose_records_a_newer_version_made(
    store, make_record, capsys
):
    from ltbench.cli.status import status

    path = store.write(make_record())
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    status(store.root)
    said = capsys.readouterr()
    assert said.out == f"{store.root} holds no runs that read here.\n"
    assert "update ltbench" in said.err
    path.unlink()
    status(store.root)
    assert "holds no runs yet" in capsys.readouterr().out


def setting_of(cell):
    return cell.dataset, cell.protocol, cell.network, cell.method


def test_a_note_that_does_not_read_or_cannot_be_written_harms_nothing(store, make_record):
    note = Note.of(store, "0" * 16, (Cell.of(make_record()),))
    note.update(**HALF)
    (store.work("0" * 16) / NAME).write_text("{")
    assert list(under_way(store)) == []
    store.work("1" * 16).write_text("a file where the folder should be")
    Note.of(store, "1" * 16, note.progress.cells).update(**HALF)


def test_a_first_stage_that_was_killed_while_it_saved_leaves_nothing_for_ever(
    jobs_of, workspace, store
):
    (job,) = jobs_of(workspace.results, "crt", protocol_name="fast(epochs=2, evaluate_every=2)")
    left = store.work(job.first_stage.fingerprint) / "checkpoint.ptabc.tmp"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run_job(job, workspace, lambda report: None)
    assert not list(workspace.results.rglob("*.tmp"))
