"""The store: names that are safe and never shared, files whole or not there, errors in words."""

import errno
import io
import json
import os
import re
from contextlib import suppress
from pathlib import Path, PureWindowsPath

import numpy as np
import pytest
from disks import disk_of, files_in
from hypothesis import given
from hypothesis import strategies as st

from ltbench.engine.checkpoint import Checkpoint
from ltbench.errors import LtbenchError
from ltbench.runs.files import read_failure, read_record, write_file, write_text
from ltbench.runs.status import status
from ltbench.runs.store import Cell, Store, slug

ROOT = Path(__file__).resolve().parents[2]

# Names with parameters that differ little, and text that is nearly one.
_NAME, _VALUE = (
    st.text("ab_0", min_size=1, max_size=3),
    st.sampled_from(["0", "1", "0.1", "-1", "1e+16", "'a'"]),
)
_PART = st.builds(
    lambda name, given: (
        f"{name}({', '.join(f'{k}={v}' for k, v in given.items())})" * bool(given) or name
    ),
    _NAME,
    st.dictionaries(_NAME, _VALUE, max_size=2),
)
CANONICAL = st.lists(_PART, min_size=1, max_size=3).map("+".join) | st.text(
    "abz09_+@()=.,' -éAZ/\\:*\"<>|", min_size=1, max_size=120
)
CELLS = st.builds(Cell, CANONICAL, CANONICAL, CANONICAL, CANONICAL, st.integers(0, 10**9))


# paths


@given(CANONICAL)
def test_a_slug_is_one_safe_file_name(text):
    name = slug(text)
    assert re.fullmatch(r"[A-Za-z0-9_.+=@-]+", name)
    assert len(name) <= 100
    assert not Path(name).is_absolute()
    assert Path("x", name).resolve().parent == Path("x").resolve()  # never . or ..


RESERVED = ["con", "prn", "aux", "nul", "com1", "lpt9", "aux(a=1)", "nul+sam", "con@release"]


@pytest.mark.parametrize("name", RESERVED)
def test_a_method_may_be_called_as_a_device_of_windows_is(name):
    file = PureWindowsPath(slug(name))
    assert not file.is_reserved()
    assert slug(name).startswith(name.partition("(")[0])


@given(CANONICAL | st.sampled_from([f"{name}." for name in RESERVED]))
def test_a_slug_is_a_name_on_windows_too(text):
    file = PureWindowsPath(slug(text))
    assert not file.is_reserved()
    assert file.drive == file.root == ""
    assert len(file.parts) == 1
    assert not slug(text).endswith((".", " "))  # Windows leaves these away


def test_committed_records_can_be_checked_out_on_windows():
    tracked = (ROOT / "results" / "runs").rglob("seed*")
    longest = max(len(str(path.relative_to(ROOT))) for path in tracked)
    assert longest < 160  # of the 259 that a path has there, the rest being the checkout's folder


@given(CANONICAL, CANONICAL)
def test_different_specifications_have_different_slugs_even_without_case(left, right):
    if left != right:
        assert slug(left).lower() != slug(right).lower()


@given(st.lists(CELLS, unique=True, max_size=10))
def test_no_two_cells_share_a_file(cells):
    store = Store(Path("results"))
    paths = [
        path
        for cell in cells
        for path in (store.path(cell), store.failure_path(cell), store.curves_path(cell))
    ]
    assert len({str(path).lower() for path in paths}) == len(paths)
    assert all(path.is_relative_to(Path("results/runs")) for path in paths)


def test_plain_names_stay_readable_in_paths():
    store = Store(Path("results"))
    cell = Cell("digits_lt(imbalance=20)", "fast", "resnet8", "ldam_drw+sam", 3)
    assert store.path(cell) == Path(
        "results/runs/digits_lt-imbalance=20/fast/resnet8/ldam_drw+sam/seed3.json"
    )


# writing and reading


def test_a_record_reads_back_as_it_was_written(store, make_record):
    record = make_record(seed=7, deviations=["“quoted”, in UTF-8: é"])
    path = store.write(record)
    assert store.read(Cell.of(record)) == record
    assert list(store.records()) == [record]
    assert not store.problems
    assert files_in(store.root) == [str(path.relative_to(store.root))]


def test_a_failure_reads_back_and_a_record_removes_it(store, make_record, make_failure):
    failure = make_failure()
    path = store.write_failure(failure)
    assert read_failure(path) == failure
    assert store.read(Cell.of(failure)) is None
    assert list(store.records()) == []
    record = make_record()
    store.write(record)
    assert not path.exists()
    assert list(store.records()) == [record]


def test_a_cell_without_a_file_has_no_record(store):
    assert store.read(Cell("a", "b", "c", "d", 0)) is None
    assert list(store.records()) == []


def spoilt(text: str) -> dict[str, bytes]:
    content = json.loads(text)
    return {
        "empty": b"",
        "truncated": text[: len(text) // 2].encode(),
        "cut by one": text.rstrip()[:-1].encode(),
        "not text": b"\xff\xfe" + text.encode(),
        "a list": b"[]",
        "null": b"null",
        "deep": b"[" * 100_000,
        "nan": text.replace("50.0", "NaN", 1).encode(),
        "no version": json.dumps({k: v for k, v in content.items() if k != "schema_version"}),
        "version 2": json.dumps({**content, "schema_version": 2}),
        "extra field": json.dumps({**content, "surprise": 1}),
        "missing field": json.dumps({k: v for k, v in content.items() if k != "last"}),
        "wrong type": json.dumps({**content, "seed": "0"}),
        "negative seed": json.dumps({**content, "seed": -1}),
        "wrong sum": json.dumps({**content, "last": {**content["last"], "top1": 60.0}}),
        "extra in part": json.dumps({**content, "last": {**content["last"], "x": 1}}),
        "more hits than images": json.dumps(
            {**content, "last": {**content["last"], "correct": [3, 0]}}
        ),
    }


KINDS = [
    "empty", "truncated", "cut by one", "not text", "a list", "null", "deep", "nan", "no version",
    "version 2", "extra field", "missing field", "wrong type", "negative seed",
    "wrong sum", "extra in part", "more hits than images",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_record_is_named_in_one_sentence_with_the_remedy(store, make_record, kind):
    record = make_record()
    path = store.write(record)
    content = spoilt(path.read_text())[kind]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(LtbenchError) as caught:
        store.read(Cell.of(record))
    sentence = str(caught.value)
    assert sentence.startswith(f"{path} does not read ")
    remedy = "update ltbench" if kind == "version 2" else "delete it and run again."
    assert remedy in sentence
    assert "\n" not in sentence
    assert caught.value.exit_code == 1


def test_the_reason_names_the_field_or_the_version(store, make_record):
    path = store.write(make_record())
    text = path.read_text()
    for kind, words in {
        "version 2": "its schema version is 2, not 1",
        "extra field": "surprise: ",
        "missing field": "last: ",
        "wrong sum": "top1 does not follow from correct and total",
    }.items():
        path.write_text(spoilt(text)[kind])
        with pytest.raises(LtbenchError) as caught:
            read_record(path)
        assert words in str(caught.value)


@given(data=st.data())
def test_a_record_with_any_bytes_changed_reads_or_is_refused(data, tmp_path_factory, make_record):
    path = tmp_path_factory.getbasetemp() / "changed.json"
    whole = make_record().model_dump_json().encode()
    at = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 40))
    new = data.draw(st.binary(max_size=20) | st.text(max_size=20).map(str.encode))
    path.write_bytes(whole[:at] + new + whole[at + cut :])
    for read in (read_record, read_failure):
        with suppress(LtbenchError):
            read(path)


def test_a_folder_in_a_records_place_is_named(store, make_record):
    record = make_record()
    store.path(Cell.of(record)).mkdir(parents=True)
    with pytest.raises(LtbenchError, match="does not read"):
        store.read(Cell.of(record))


def test_bad_files_and_records_in_foreign_places_are_left_out_and_named(
    store, make_record, make_failure
):
    good = make_record(method="ce")
    store.write(good)
    store.write_failure(make_failure(seed=5))
    bad = store.write(make_record(method="focal"))
    bad.write_text("{")
    stranger = store.path(Cell.of(make_record(method="sam")))
    write_text(stranger, make_record(seed=9).model_dump_json())
    other_seed = stranger.with_name("seed4.json")
    write_text(other_seed, make_record(method="sam", seed=3).model_dump_json())
    (stranger.parent / "seed0.jsonabc.tmp").write_text("{")
    (stranger.parent / "notes.json").write_text("{")
    assert list(store.records()) == [good]
    assert len(store.problems) == 3
    for path in (bad, stranger, other_seed):
        assert sum(str(path) in problem for problem in store.problems) == 1
    assert sum("holds the record of another cell" in problem for problem in store.problems) == 2
    assert list(store.records()) == [good]
    assert len(store.problems) == 3  # told once, not once a reading


def test_the_overview_counts_seeds_and_says_why_others_failed(store, make_record, make_failure):
    for seed in (0, 2):
        store.write(make_record(seed=seed))
    store.write_failure(make_failure(seed=1))
    torn = store.write_failure(make_failure(method="sam"))
    torn.write_text(torn.read_text()[:50])
    (line,) = status(store)
    assert (line.method, line.finished, line.failed, line.headline) == ("ce", (0, 2), (1,), 50.0)
    assert line.reasons == ("seed 1 failed: it broke.",)
    assert [str(torn) in problem for problem in store.problems] == [True]


# a full disk, and folders that cannot be written


def full_disk(*parts: bytes):
    def fill(file):
        for part in parts:
            file.write(part)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return fill


def test_a_full_disk_leaves_the_old_file_whole_and_no_other(tmp_path):
    path = tmp_path / "folder" / "file.json"
    write_text(path, "old")
    with pytest.raises(LtbenchError) as caught:
        write_file(path, full_disk(b"half of the new"))
    assert path.read_text() == "old"
    assert files_in(tmp_path) == ["folder/file.json"]
    sentence = str(caught.value)
    assert sentence.startswith(f"cannot write {path} (No space left on device); ")
    assert "--results" in sentence
    assert "\n" not in sentence


def test_a_full_disk_at_the_first_file_leaves_none(tmp_path):
    with pytest.raises(LtbenchError):
        write_file(tmp_path / "file.json", full_disk())
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("of the filler")])
def test_whatever_stops_a_writing_leaves_no_temporary_file(tmp_path, error):
    def fill(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        write_file(tmp_path / "file.json", fill)
    assert files_in(tmp_path) == []


FILLERS = {
    "text": lambda path: write_text(path, "x" * 10_000),
    "arrays": lambda path: write_file(
        path, lambda file: np.savez_compressed(file, noise=np.random.default_rng(0).random(9000))
    ),
    "checkpoint": lambda path: Checkpoint(path, write_file).save({"noise": _noise()}),
}


def _noise():
    import torch

    return torch.rand(9000)


@pytest.mark.parametrize("kind", FILLERS)
def test_a_disk_that_fills_while_writing_is_one_sentence_for_every_kind_of_file(tmp_path, kind):
    path = tmp_path / "file"
    write_text(path, "old")
    with disk_of(4000), pytest.raises(LtbenchError) as caught:
        FILLERS[kind](path)
    assert str(caught.value).startswith(f"cannot write {path} (")
    assert path.read_text() == "old"
    assert files_in(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_made_is_named_with_the_option_that_helps(tmp_path, make_record):
    (tmp_path / "file").write_text("mine")
    for root in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(LtbenchError) as caught:
            Store(root).write(make_record())
        assert str(root) in str(caught.value)
        assert "--results" in str(caught.value)
        assert caught.value.exit_code == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert files_in(tmp_path) == ["file"]


def test_files_can_be_read_by_others_as_usual(tmp_path):
    path = tmp_path / "file.json"
    write_file(path, lambda file: file.write(b"x"))
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_writer_sees_an_ordinary_binary_file(tmp_path):
    def fill(file):
        assert isinstance(file.tell(), int)
        file.write(b"abc")
        file.seek(1)
        file.write(b"B")
        file.seek(0, io.SEEK_END)

    write_file(tmp_path / "file", fill)
    assert (tmp_path / "file").read_bytes() == b"aBc"


def test_seeds_and_protocols_of_a_cell_are_those_with_a_record(store, make_record):
    for protocol, seed in (("paper", 10), ("paper", 2), ("fast", 0), ("fast(epochs=20)", 1)):
        store.write(make_record(protocol=protocol, seed=seed))
    store.write(make_record(protocol="smoke", seed=0, network="resnet50"))
    cell = Cell.of(make_record(protocol="paper", seed=0))
    store.curves_path(cell).write_text("")
    store.failure_path(cell).write_text("{}")
    assert store.seeds(cell) == [2, 10]
    assert store.protocols(cell) == ["fast", "fast(epochs=20)", "paper"]
    store.path(Cell.of(make_record(protocol="paper", seed=2))).write_text("{")
    assert store.protocols(cell) == ["fast", "fast(epochs=20)", "paper"]
    store.path(Cell.of(make_record(protocol="fast", seed=0))).write_text("{")
    assert store.protocols(cell) == ["fast(epochs=20)", "paper"]
