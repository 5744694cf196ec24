"""File systems that lack things, and folders of other people: each works or is one sentence."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.file_system import lacking
from ltbench.runs.files import read_record, write_file, write_new, write_text
from ltbench.runs.lock import HELD, has_locks, is_locked, locked
from ltbench.runs.scratch import removable, remove
from ltbench.runs.store import Cell, Store
from ltbench.runs.unit import sha256, write_unit
from ltbench.tables.definition import load
from ltbench.tables.grid import grid_of


def refuse(number):
    def refusing(*given, **options):
        raise OSError(number, os.strerror(number))

    return refusing


def test_a_file_system_without_permissions_links_or_flushing_holds_files_all_the_same(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(os, "chmod", refuse(errno.EPERM))
    monkeypatch.setattr(os, "fchmod", refuse(errno.EPERM))
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    monkeypatch.setattr(os, "fsync", refuse(errno.EINVAL))
    write_text(tmp_path / "a" / "file", "text")
    assert write_new(tmp_path / "new", b"first")
    assert not write_new(tmp_path / "new", b"second")
    assert (tmp_path / "a" / "file").read_text() == "text"
    assert (tmp_path / "new").read_bytes() == b"first"
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_disk_that_breaks_while_flushing_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", refuse(errno.EIO))
    with pytest.raises(LtbenchError, match=r"cannot write .*Input/output error"):
        write_text(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("mask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_files_have_the_permissions_that_the_umask_leaves(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_name_is_flushed_with_all_the_folders_that_are_new(tmp_path, monkeypatch):
    """A rename alone may be lost with the power."""
    flushed = []
    real = os.fsync

    def note(handle):
        flushed.append(Path(os.readlink(f"/proc/self/fd/{handle}")))
        real(handle)

    monkeypatch.setattr(os, "fsync", note)
    write_text(tmp_path / "a" / "b" / "file", "text")
    assert {tmp_path, tmp_path / "a", tmp_path / "a" / "b"} <= set(flushed)
    assert flushed[0].name.endswith(".tmp")  # the content before its name


def test_a_lock_can_be_taken_by_a_colleague_and_looked_at_by_anybody(tmp_path, monkeypatch):
    folder = tmp_path / "work"
    assert not is_locked(folder)
    assert not folder.exists()
    with locked(folder, wait=lambda: None):
        assert (folder / "lock").stat().st_mode & 0o666 == 0o666
        seen = subprocess.run(
            [sys.executable, "-c", _LOOK, str(folder)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert seen.stdout.strip() == "True"
    assert not is_locked(folder)


_LOOK = """
import os, sys
from pathlib import Path
from ltbench.runs.lock import is_locked
real = os.open
def readable_only(path, flags, *rest):
    if str(path).endswith("lock") and flags & (os.O_WRONLY | os.O_RDWR):
        raise PermissionError(13, "Permission denied")
    return real(path, flags, *rest)
os.open = readable_only
print(is_locked(Path(sys.argv[1])))
"""


@pytest.fixture
def closed(store, make_record, monkeypatch):
    """A store with a record, whose folder of runs may not be read."""
    store.write(make_record())
    real = os.scandir

    def scan(path="."):
        if str(path) == str(store.root / "runs"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scan)
    return store


def test_records_in_a_folder_that_may_not_be_read_are_not_reported_as_none(closed):
    with pytest.raises(LtbenchError, match=r"runs may not be read \(Permission denied\); change"):
        list(closed.records())


def test_a_closed_runs_folder_ends_tables_and_plans_in_one_sentence(closed, jobs_of):
    with pytest.raises(LtbenchError, match=r"runs may not be read \(Permission denied\); change"):
        grid_of(load("1"), closed)
    with pytest.raises(LtbenchError, match=r"runs may not be read \(Permission denied\); change"):
        jobs_of(closed.root, "ce")


def test_a_record_that_may_not_be_read_is_not_called_damaged(store, make_record, monkeypatch):
    path = store.write(make_record())

    def refuse(self, mode):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(LtbenchError) as caught:
        read_record(path)
    assert str(caught.value) == (
        f"{path} may not be read (Permission denied); change its permissions."
    )


def test_clean_sweeps_whatever_a_killed_writer_left_and_nothing_that_is_being_written(
    store, make_record
):
    record = write_unit(store, make_record(), {"curves": b"epoch\n1\n"}, None)
    place = store.curves_path(Cell.of(record))
    waiting = place.with_name(f"{place.name}.{sha256(place.read_bytes())[:12]}.new")
    place.rename(waiting)  # as a kill after the record leaves it
    left = [
        store.root / "tables" / "table1.csv.0a1b2c3d.tmp",
        store.root / "report.html.0a1b2c3d.tmp",
        place.with_name("seed0.json.0a1b2c3d.tmp"),
        place.with_name("seed9.csv.0123456789ab.new"),
    ]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    assert list(removable(store)) == []  # somebody may be writing them
    assert place.exists()  # a record's own have their places again
    for path in left:
        os.utime(path, (time.time() - 7200,) * 2)
    assert sorted(removable(store)) == sorted(left)
    remove(list(removable(store)))
    assert place.read_bytes() == b"epoch\n1\n"
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize("what", ["chmod", "link", "fsync"])
def test_a_store_writes_units_where_something_is_refused(tmp_path, make_record, monkeypatch, what):
    monkeypatch.setattr(os, what, refuse(errno.EPERM))
    store = Store(tmp_path)
    record = write_unit(store, make_record(), {"curves": b"epoch\n1\n"}, None)
    assert store.read(Cell.of(record)) == record
    write_file(tmp_path / "other", lambda file: file.write(b"x"))


@pytest.fixture
def without_locks(monkeypatch):
    """A file system that refuses locks, as NFS without its lock daemon; filelock imports them."""
    import fcntl

    has_locks.cache_clear()
    monkeypatch.setattr(fcntl, "flock", refuse(errno.ENOLCK))
    yield
    has_locks.cache_clear()


def test_where_there_are_no_locks_a_file_keeps_others_from_a_training(tmp_path, without_locks):
    folder, waited = tmp_path / "work" / "training", []
    with locked(folder, wait=lambda: None):
        assert (folder / HELD).exists()
        assert is_locked(folder)

        class StopError(Exception):
            pass

        def stop():
            waited.append("waited")
            raise StopError

        with pytest.raises(StopError), locked(folder, wait=stop):
            pass
    assert waited == ["waited"]
    assert not is_locked(folder)
    assert list(folder.iterdir()) == []


def test_the_file_of_a_process_that_was_killed_here_is_taken_away(tmp_path, without_locks):
    folder = tmp_path / "work" / "training"
    folder.mkdir(parents=True)
    script = (
        "import os, sys, filelock as f; l = f.SoftFileLock(sys.argv[1]); l.acquire(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(folder / HELD)], check=False)
    assert (folder / HELD).exists()
    assert not is_locked(folder)
    with locked(folder, wait=lambda: None):
        pass


def test_what_a_file_system_lacks_is_said_a_sentence_each(tmp_path, monkeypatch, without_locks):
    monkeypatch.setattr(os, "link", refuse(errno.EPERM))
    locks, links = lacking(tmp_path / "results")
    assert locks == (
        f"the file system of {tmp_path / 'results'} has no locks: a file lock_held keeps others "
        "from a training instead, and has to be deleted by hand where the process that made it was "
        "killed on another machine."
    )
    assert "has no hard links: records are renamed into their places instead, so do not" in links
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    has_locks.cache_clear()
    assert lacking(tmp_path / "results") == []
