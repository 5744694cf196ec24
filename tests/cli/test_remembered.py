"""What commands need torch for is found out once, and anew where a file has changed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.cli import remembered as module
from ltbench.cli.remembered import remembered

WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None  # importing it now raises ImportError
from ltbench.cli import main
main()
"""


def never():
    raise AssertionError("it was known")


def bare(*words: str) -> subprocess.CompletedProcess[str]:
    call = [sys.executable, "-c", WITHOUT_TORCH, *words]
    return subprocess.run(call, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (("show", "ldam_drw"), ("show", "ldam_drw")),
        (("show", "ce"), ("show", "gkp_gsa", "--json")),  # the first names all methods
        (("show", "ldam_drw+sam(rho=0.8)"), ("show", "ldam_drw+sam(rho=0.8)")),
        (("list", "methods"), ("list", "methods", "--long")),
    ],
)
def test_an_answer_that_was_given_needs_no_torch(no_cache, ltbench, tmp_path, first, then):
    results = ("--results", str(tmp_path)) if first[0] == "show" else ()
    assert bare(*then, *results).returncode == 1
    assert ltbench(*first, *results).code == 0
    done = bare(*then, *results)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ltbench(*then, *results).out


def test_a_changed_file_makes_every_answer_anew(no_cache, monkeypatch):
    assert remembered("size", lambda: (1, 2)) == remembered("size", never) == [1, 2]
    monkeypatch.setattr(module, "digest", lambda: "another")
    assert remembered("size", lambda: 3) == 3
    assert [path.name for path in no_cache.iterdir()] == ["answers-another.json"]


def test_the_hash_is_of_every_file_of_ltbench_and_of_its_methods(monkeypatch, tmp_path):
    read = []
    whole = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: read.append(self.name) or whole(self))
    module.digest.__wrapped__()
    assert {"signatures.py", "ldam_drw.py", "show.py"} <= set(read)


@pytest.mark.parametrize("content", ["", "[1]", "{", "\0"])
def test_a_spoilt_file_is_written_anew(no_cache, content):
    remembered("a", lambda: 1)
    (path,) = no_cache.iterdir()
    path.write_text(content)
    assert remembered("a", lambda: 2) == 2
    assert json.loads(path.read_text()) == {"a": 2}


def test_without_a_folder_to_write_into_it_is_asked_again(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LTBENCH_CACHE", str(tmp_path / "file" / "cache"))
    assert [remembered("a", lambda: 1), remembered("a", lambda: 2)] == [1, 2]


def test_what_a_file_by_hand_defines_is_never_kept(no_cache, ltbench, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        '"""Mine: Nobody, \\"Nothing\\", 2026."""\n\nfrom ltbench import Method\n\n\n'
        'class Mine(Method):\n    """It is {}."""\n'
    )
    for word in ("plain", "changed"):
        path.write_text(path.read_text().replace("{}", word).replace("plain", word))
        answer = ltbench("show", "mine", "--load", path, "--results", tmp_path)
        assert f"It is {word}." in answer.out
