"""Results folders that workers do not share: absent, another at the same path, read-only."""

import errno
import os
from pathlib import Path

import pytest

from ltbench.errors import LtbenchError
from ltbench.runs.executors import shared_folder
from ltbench.runs.executors.shared_folder import answer, check_shared, mark_of, take_answer


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(shared_folder, "SECONDS_TO_SHOW", 0.0)
    monkeypatch.setattr(shared_folder.platform, "node", lambda: "node7")


def test_a_folder_has_one_mark_whoever_asks_first(tmp_path):
    mark = mark_of(tmp_path)
    assert mark_of(tmp_path) == mark
    assert mark_of(tmp_path / "other") != mark
    check_shared(tmp_path, mark)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["results_folder"]


def test_a_folder_that_is_absent_or_another_is_one_sentence(tmp_path):
    with pytest.raises(LtbenchError, match=r"^node7 does not see the results folder .*; put it on"):
        check_shared(tmp_path / "absent", "0" * 16)
    mark_of(tmp_path)
    with pytest.raises(LtbenchError, match=r"^node7 has another folder than the command's at the"):
        check_shared(tmp_path, "0" * 16)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    mark = mark_of(tmp_path)

    def refuse(self, text):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(LtbenchError) as caught:
        check_shared(tmp_path, mark)
    assert str(caught.value) == (
        f"node7 cannot write the results folder {tmp_path} (Read-only file system); let it be "
        "written there, or choose another with --results."
    )


def test_an_answer_is_taken_where_it_appears(tmp_path):
    mark_of(tmp_path)
    path = answer(tmp_path)
    assert take_answer(path)
    assert not path.exists()
    assert not take_answer(path)
