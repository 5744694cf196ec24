"""A record, its curves and its logits: one unit, which stands or is replaced as a whole."""

import os
from dataclasses import replace

import pytest
from made_trainings import quiet

from ltbench.errors import LtbenchError
from ltbench.runs import unit
from ltbench.runs.execute import run_job
from ltbench.runs.executors.workers import run_here
from ltbench.runs.store import Cell
from ltbench.runs.unit import TakenError, file_of, put, recover, set_aside, sha256, write_unit

OLD = {"curves": b"epoch,loss\n1,2\n", "logits": b"old logits"}
NEW = {"curves": b"epoch,loss\n1,1\n", "logits": b"new logits"}


class Crash(BaseException):
    """The process ends here."""


def contents(store, record):
    return {kind: file_of(store, record, kind).read_bytes() for kind in record.files}


@pytest.fixture
def old(store, make_record):
    return write_unit(store, make_record(), OLD, None)


def test_the_files_of_a_record_are_known_by_their_hash(store, old):
    assert store.read(Cell.of(old)) == old
    assert old.files == {kind: sha256(content) for kind, content in OLD.items()}
    assert contents(store, old) == OLD
    assert file_of(store, old, "curves") == store.curves_path(Cell.of(old))
    assert not list(store.root.rglob("*.new"))


def test_a_file_that_is_another_is_named_and_a_missing_one_is_none(store, old):
    store.curves_path(Cell.of(old)).write_bytes(NEW["curves"])
    with pytest.raises(LtbenchError, match=r"seed0.csv is not the file .* its SHA-256 is another"):
        file_of(store, old, "curves")
    store.logits_path(old.fingerprint).unlink()
    assert file_of(store, old, "logits") is None


def test_a_link_or_a_pipe_in_a_files_place_is_no_file_of_the_record(store, make_record, tmp_path):
    store.write(make_record())
    place = store.curves_path(Cell.of(make_record()))
    (tmp_path / "secret").write_bytes(OLD["curves"])
    place.symlink_to(tmp_path / "secret")
    with pytest.raises(LtbenchError, match="it is no regular file"):
        file_of(store, make_record(), "curves")
    place.unlink()
    os.mkfifo(place)  # reading it would wait for ever
    with pytest.raises(LtbenchError, match="it is no regular file"):
        file_of(store, make_record(), "curves")


def test_a_record_from_before_the_hashes_has_what_lies_beside_it(store, make_record):
    store.write(make_record())
    assert file_of(store, make_record(), "curves") is None
    store.curves_path(Cell.of(make_record())).write_bytes(OLD["curves"])
    assert file_of(store, make_record(), "curves").read_bytes() == OLD["curves"]


def test_a_reader_finds_the_new_unit_whose_files_have_not_their_places_yet(
    store, old, make_record, monkeypatch
):
    monkeypatch.setattr(unit, "settle", lambda path: (_ for _ in ()).throw(Crash()))
    with pytest.raises(Crash):
        write_unit(store, make_record(), NEW, store.content(Cell.of(old)))
    monkeypatch.undo()
    assert store.curves_path(Cell.of(old)).read_bytes() == OLD["curves"]  # as the kill left it
    found = store.read(Cell.of(old))
    with monkeypatch.context() as patch:  # the store may only be read
        patch.setattr(unit, "settle", lambda path: False)
        assert contents(store, found) == NEW
    recover(store, Cell.of(old), [old.fingerprint])
    assert store.curves_path(Cell.of(old)).read_bytes() == NEW["curves"]
    assert not list(store.root.rglob("*.new"))


def test_what_comes_before_the_record_leaves_the_old_unit(store, old, make_record, monkeypatch):
    def crash(path, text):
        assert list(store.root.rglob("*.new"))
        raise Crash

    monkeypatch.setattr(unit, "write_text", crash)
    with pytest.raises(Crash):
        write_unit(store, make_record(), NEW, store.content(Cell.of(old)))
    assert store.read(Cell.of(old)) == old
    assert contents(store, old) == OLD
    assert not list(store.root.rglob("*.new"))


def test_what_a_kill_left_of_no_unit_is_swept(store, old):
    left = [
        store.curves_path(Cell.of(old)).with_name("seed0.csv.0123456789ab.new"),
        store.work(old.fingerprint) / "logits.npz.0123456789ab.new",
    ]
    for path in left:
        path.write_bytes(b"half")
    recover(store, Cell.of(old), [old.fingerprint])
    assert [path.exists() for path in left] == [False, False]
    assert contents(store, old) == OLD


def test_a_record_that_came_meanwhile_is_kept_with_its_files(store, old, make_record):
    for before in (None, b"what was there when the training began"):
        with pytest.raises(TakenError):
            write_unit(store, make_record(finished="later"), NEW, before)
        assert store.read(Cell.of(old)) == old
        assert contents(store, old) == OLD
        assert not list(store.root.rglob("*.new"))


def test_the_old_unit_is_copied_aside_before_it_is_replaced(store, old):
    set_aside(store, old)
    aside = store.path(Cell.of(old)).parent / old.fingerprint
    assert (aside / "seed0.csv").read_bytes() == OLD["curves"]
    assert (aside / "seed0.json").read_bytes() == store.content(Cell.of(old))
    assert contents(store, old) == OLD


# while it trains


def other(record, **changes):
    """Return a record of the same cell with another score and the fingerprint it had."""
    last = record.last.model_copy(update={"top1": 0.0, "correct": (0,) * len(record.last.correct)})
    return record.model_copy(update={"last": last, **changes})


@pytest.mark.parametrize("force", [False, True])
def test_a_record_merged_while_its_cell_trains_does_not_vanish(
    workspace, store, jobs_of, listener, force
):
    methods = ["ce", "ce+posthoc_logit_adjustment"]
    (job,) = jobs_of(workspace.results, methods)
    first, _ = run_job(job, workspace, quiet)
    theirs = other(first, files={})
    content = theirs.model_dump_json().encode()
    if not force:
        store.path(job.cells[0]).unlink()
    store.checkpoint_path(job.fingerprint).unlink()

    def merged(job, report):
        store.path(job.cells[0]).unlink(missing_ok=True)
        put(store, theirs, content, {"curves": b"epoch\n1\n"}, None)

    listener.report = merged
    outcome = run_here([replace(job, anew=force)], workspace, listener, debug=False)
    assert store.content(job.cells[0]) == content
    assert store.curves_path(job.cells[0]).read_bytes() == b"epoch\n1\n"
    (reason,) = outcome.failures.values()
    assert "was filled by one with top-1 0.00 while it was trained here" in reason
    assert not list(store.failures())
    assert store.read(job.cells[1]) is not None


def test_a_record_that_says_the_same_is_returned_as_the_runs(workspace, store, jobs_of):
    (job,) = jobs_of(workspace.results)
    (first,) = run_job(job, workspace, quiet)
    store.path(job.cells[0]).unlink()
    store.checkpoint_path(job.fingerprint).unlink()
    theirs = first.model_copy(update={"finished": "2030-01-01T00:00:00+00:00"})

    def merged(report):
        store.write(theirs)

    assert run_job(job, workspace, merged) == [theirs]
