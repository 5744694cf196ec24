"""What befalls a store: many writers, clocks that go back, files that are not what they should be.

Whatever it is, it is named, and the rest stays what it was. Single files are test_store.py's.
"""

import json
import multiprocessing
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.files import read_record, write_text
from ltbench.runs.record import Record
from ltbench.runs.status import status
from ltbench.runs.store import Cell, Store

# The writers are processes that import this file: torch is left to the tests that train.
WRITERS, ROUNDS, SEEDS = 8, 5, 4


def write_often(root, text: str, writer: int, start) -> None:
    """Write every seed several times: shared cells by all writers at once, and one's own."""
    store, record = Store(root), Record.model_validate_json(text)
    start.wait()
    for _ in range(ROUNDS):
        for seed in range(SEEDS):
            own = record.model_copy(update={"network": f"own{writer}", "seed": seed})
            store.write(own)
            store.write(record.model_copy(update={"seed": seed, "deviations": [f"by {writer}"]}))


@pytest.mark.slow
def test_eight_processes_writing_at_once_lose_nothing_and_readers_see_whole_records(
    store, make_record
):
    context = multiprocessing.get_context("spawn")
    start, text = context.Event(), make_record().model_dump_json()
    writers = [
        context.Process(target=write_often, args=(store.root, text, writer, start))
        for writer in range(WRITERS)
    ]
    for process in writers:
        process.start()
    start.set()
    readings = 0
    while any(process.is_alive() for process in writers) or not readings:
        for record in store.records():  # never half of one
            assert record.last.top1 == 50.0
        assert store.problems == []
        readings += 1
    for process in writers:
        process.join()
    assert [process.exitcode for process in writers] == [0] * WRITERS
    cells = [Cell.of(record) for record in store.records()]
    assert len(set(cells)) == len(cells) == SEEDS * (WRITERS + 1)
    assert not list(store.root.rglob("*.tmp"))


@pytest.fixture
def mixed(store, make_record):
    """Sound records among one that does not read, one twice, one of a later version, one torn."""
    sound = [make_record(seed=seed) for seed in range(3)]
    for record in sound:
        store.write(record)
    unreadable = store.write(make_record(method="sam"))
    unreadable.write_bytes(b"\xff\xfe")
    twice = store.path(Cell.of(make_record(seed=9)))
    write_text(twice, sound[0].model_dump_json())
    later = store.write(make_record(method="focal"))
    later.write_text(json.dumps({**json.loads(later.read_text()), "schema_version": 2}))
    empty = store.write(make_record(method="sam", seed=1))
    content = json.loads(empty.read_text())
    content["last"] |= {"correct": [0, 0], "total": [0, 0]}
    empty.write_text(json.dumps(content))
    torn = store.write(make_record(method="bcl"))
    torn.write_text(torn.read_text()[:200])
    return sound, {
        unreadable: "does not read",
        twice: "holds the record of another cell; move or delete it",
        later: "its schema version is 2, not 1",
        empty: "there are no test images",
        torn: "does not read",
    }


def test_what_is_wrong_is_named_and_the_rest_is_read(store, mixed):
    sound, wrong = mixed
    assert list(store.records()) == sound
    assert len(store.problems) == len(wrong)
    for path, words in wrong.items():
        assert any(str(path) in problem and words in problem for problem in store.problems)
    (line,) = status(store)
    assert line.finished == (0, 1, 2)


@pytest.mark.parametrize("words", [("status",), ("export",), ("ledger",), ("table", "1")])
def test_every_command_that_reads_goes_on_without_what_is_wrong(store, mixed, words, tmp_path):
    before = {path: path.read_bytes() for path in store.root.joinpath("runs").rglob("*.json")}
    call = [sys.executable, "-c", "from ltbench.cli import main; main()", *words]
    done = subprocess.run(
        [*call, "--results", str(store.root)], cwd=tmp_path, check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if words[0] in ("status", "export"):  # they read every record, tables those of their cells
        assert done.stderr.count("ltbench: left out: ") == len(mixed[1])
    after = {path: path.read_bytes() for path in store.root.joinpath("runs").rglob("*.json")}
    assert after == before


def test_a_record_of_a_later_version_is_not_trained_over(workspace, jobs_of, make_record):
    from ltbench.runs.execute import run_job

    (job,) = jobs_of(workspace.results)
    (cell,) = job.cells
    path = Store(workspace.results).path(cell)
    write_text(path, json.dumps({"schema_version": 2, "of": "tomorrow"}))
    before = path.read_bytes()
    with pytest.raises(LtbenchError, match="its schema version is 2") as caught:
        jobs_of(workspace.results)
    assert str(caught.value).endswith("update ltbench.")
    assert "delete" not in str(caught.value)
    with pytest.raises(LtbenchError, match="its schema version is 2"):
        run_job(job, workspace, lambda _: None)
    assert path.read_bytes() == before


# clocks


def test_a_clock_that_goes_back_between_runs_changes_neither_order_nor_content(store, make_record):
    times = ["2026-11-21T10:00:00+00:00", "1970-01-01T00:00:00+00:00", "2099-01-01T00:00:00+00:00"]
    records = [make_record(seed=seed, finished=when) for seed, when in enumerate(times)]
    for record in records:
        store.write(record)
    assert list(store.records()) == records
    # A later record with an earlier time replaces the one before, as the writer said.
    again = make_record(seed=2, finished=times[1])
    store.write(again)
    assert store.read(Cell.of(again)) == again


def test_a_clock_that_goes_back_during_a_run_leaves_its_times_and_its_record_sound(
    workspace, jobs_of, monkeypatch, lasting
):
    from ltbench.runs.execute import run_job

    (job,) = jobs_of(workspace.results)
    (steady,) = run_job(job, workspace, lambda _: None)
    told = [datetime(2026, 1, 1, tzinfo=UTC)]

    class Backwards(datetime):
        """Wall time that loses an hour at every look."""

        @classmethod
        def now(cls, tz=None):
            told[0] -= timedelta(hours=1)
            return told[0]

    monkeypatch.setattr("ltbench.runs.recording.datetime", Backwards)
    monkeypatch.setattr(time, "time", lambda: told[0].timestamp())  # noqa: PLW0108  (it changes)
    elsewhere = type(workspace)(workspace.results.with_name("later"), workspace.data, "cpu")
    (record,) = run_job(job, elsewhere, lambda _: None)
    assert lasting(record) == lasting(steady)
    assert record.finished < steady.finished
    assert record.cost.train_seconds > 0
    assert record.cost.evaluate_seconds > 0
    assert read_record(Store(elsewhere.results).path(Cell.of(record))) == record
    (again,) = run_job(job, elsewhere, lambda _: None)  # it is finished, whatever the time says
    assert again == record


# a full disk


def test_a_disk_that_fills_at_the_record_loses_no_epoch(workspace, jobs_of, monkeypatch, lasting):
    """The failure is named, the checkpoint stays, and the next try trains nothing."""
    from ltbench.runs.execute import run_job

    (job,) = jobs_of(workspace.results)

    def full(path, content):
        raise LtbenchError("cannot write (No space left on device); free some space.")

    monkeypatch.setattr("ltbench.runs.unit.write_new", full)
    with pytest.raises(LtbenchError, match="No space left"):
        run_job(job, workspace, lambda _: None)
    store = Store(workspace.results)
    (line,) = status(store)
    assert line.failed == (0,)
    assert "No space left" in line.reasons[0]
    assert not list(workspace.results.rglob("*.new"))
    monkeypatch.undo()
    heard = []
    (record,) = run_job(job, workspace, heard.append)
    assert heard == []
    assert store.read(job.cells[0]) == record
    assert not store.failure_path(job.cells[0]).exists()
