"""Scratch: what no unfinished run needs goes, and nothing else."""

import errno
import time
from pathlib import Path

import pytest
from filelock import FileLock
from made_runs import interrupted
from made_trainings import quiet

from ltbench.errors import LtbenchError
from ltbench.runs import scratch
from ltbench.runs.execute import run_job
from ltbench.runs.scratch import removable, remove

PROTOCOL = "fast(epochs=2, evaluate_every=2)"


def names(paths):
    return sorted(path.name for path in paths)


def test_checkpoints_of_finished_trainings_go_and_logits_only_when_asked(
    jobs_of, workspace, store, tmp_path
):
    (job,) = jobs_of(workspace.results, "ce", protocol_name=PROTOCOL)
    run_job(job, workspace, quiet)
    assert names(removable(store)) == ["checkpoint.pt"]
    assert names(removable(store, logits=True)) == ["checkpoint.pt", "logits.npz"]
    size = store.checkpoint_path(job.fingerprint).stat().st_size
    assert remove(list(removable(store))) == size
    assert list(removable(store)) == []
    assert store.logits_path(job.fingerprint).exists()
    remove(list(removable(store, logits=True)))
    assert list((workspace.results / "work").iterdir()) == []
    assert len(list(store.records())) == 1
    run_job(job, workspace, quiet)  # finished still


def test_a_file_that_cannot_be_removed_is_named_and_one_that_has_gone_is_not(tmp_path, monkeypatch):
    there, gone = tmp_path / "work" / "checkpoint.pt", tmp_path / "work" / "gone.pt"
    there.parent.mkdir()
    there.write_bytes(bytes(5))

    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(LtbenchError, match=r"cannot remove .*checkpoint\.pt \(Permission"):
            remove([there])
    assert remove([gone, there]) == 5
    assert not there.exists()


def test_what_an_interrupted_run_needs_stays_and_it_goes_on(jobs_of, workspace, store):
    first, second = jobs_of(workspace.results, ["ce", "crt"], protocol_name=PROTOCOL)
    interrupted(first, workspace, 1)
    assert list(removable(store)) == []
    (store.work(first.fingerprint) / "checkpoint.ptx.tmp").write_bytes(b"half")
    assert names(removable(store)) == ["checkpoint.ptx.tmp"]
    remove(list(removable(store)))
    heard = []
    run_job(first, workspace, heard.append)
    assert [report.epoch for report in heard if report.loss is not None] == [2]
    interrupted(second, workspace, 2)  # with nothing but its first stage done
    assert store.checkpoint_path(first.fingerprint) not in set(removable(store))


def test_what_a_failed_or_running_training_has_stays(jobs_of, workspace, store, monkeypatch):
    (job,) = jobs_of(workspace.results, "ce", protocol_name=PROTOCOL)

    def full(*given):
        raise OSError("no space")

    with monkeypatch.context() as patch:
        patch.setattr("ltbench.runs.recording.curves_csv", full)
        with pytest.raises(OSError, match="no space"):
            run_job(job, workspace, quiet)
    assert list(removable(store)) == []  # trained to the end, and its record is still to be made
    run_job(job, workspace, quiet)
    with FileLock(store.work(job.fingerprint) / "lock"):
        assert list(removable(store)) == []
    assert names(removable(store)) == ["checkpoint.pt"]


def test_clean_and_status_say_how_much(jobs_of, workspace, store, capsys):
    from ltbench.cli.clean import clean
    from ltbench.cli.status import status

    (job,) = jobs_of(workspace.results, "ce", protocol_name=PROTOCOL)
    run_job(job, workspace, quiet)
    status(workspace.results)
    clean_it = f"`ltbench clean --results {workspace.results}`"
    said = capsys.readouterr().out
    assert f"of scratch; {clean_it} removes what no unfinished run needs" in said
    clean(results=workspace.results, dry_run=True)
    assert "checkpoint.pt" in capsys.readouterr().out
    assert store.checkpoint_path(job.fingerprint).exists()
    clean(results=workspace.results)
    assert "1 file removed, " in capsys.readouterr().out
    assert not store.checkpoint_path(job.fingerprint).exists()


def test_a_clock_that_is_hours_ahead_of_the_files_takes_nothing_away(store, monkeypatch):
    half = store.root / "report.html.0a1b2c3d.tmp"
    half.parent.mkdir()
    half.write_text("half")
    now = time.time()
    monkeypatch.setattr(scratch.time, "time", lambda: now + 7200)
    assert list(removable(store)) == []  # another machine is writing it
