"""What is committed says what the committed records say."""

import shutil
import subprocess
from pathlib import Path

import pytest
from docs_scripts import script

from ltbench.runs.store import Store

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def rebuild():
    return script("rebuild")


def tracked(root, folder):
    """Copy what git tracks of `results`: a user's own records and tables lie there, too.

    In a tree without git, such as a source archive, it is all that is there.
    """
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "results"], check=False, capture_output=True
    )
    names = [name for name in listed.stdout.decode().split("\0") if (root / name).is_file()]
    if not names:
        return root / "results"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(root / name, folder / name)
    return folder / "results"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tracked(ROOT, tmp_path_factory.mktemp("committed")))


def test_what_a_user_adds_to_the_results_is_not_compared(tmp_path):
    root = tmp_path / "checkout"
    for name in ("results/runs/a/seed0.json", "results/tables/one.csv"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text(name)
    subprocess.run(["git", "init", "--quiet", root], check=True)
    assert tracked(root, tmp_path / "copy") == root / "results"  # nothing is tracked yet
    subprocess.run(["git", "-C", root, "add", "results"], check=True)
    (root / "results/runs/a/seed5.json").write_text("mine")
    (root / "results/tables/mine.csv").write_text("mine")
    copied = tracked(root, tmp_path / "copy")
    assert sorted(path.name for path in copied.rglob("*.*")) == ["one.csv", "seed0.json"]


def test_every_committed_record_reads_and_is_made_from_a_clean_commit(store):
    records = list(store.records())
    assert records
    assert store.problems == []
    for record in records:
        assert record.environment.commit
        assert record.environment.dirty is False


def test_pages_show_what_the_records_say(rebuild, store):
    for name in rebuild.PAGES:
        text = (ROOT / name).read_text()
        assert "<!-- end -->" in text
        assert rebuild.page(text, store) == text


def test_the_page_of_python_prints_what_it_shows(rebuild, store, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    text = (ROOT / rebuild.EXECUTED).read_text()
    assert rebuild.executed(text, store.root, tmp_path) == text
    assert "```text" in text
    (drawn,) = tmp_path.glob("*.svg")
    assert (ROOT / "docs" / "pictures" / drawn.name).is_file()
    assert f"](pictures/{drawn.name})" in text


def test_every_recorded_method_has_a_measured_cost(rebuild, store):
    costs = rebuild.measured_costs(store.root / "costs.csv")
    assert {each.method for each in store.records() if each.metric == "top1"} <= costs.keys()


def test_committed_tables_are_what_the_records_give(rebuild, store, tmp_path):
    committed = store.root / "tables"
    rebuilt = [*rebuild.tables(store, tmp_path), rebuild.ledger(store, tmp_path)]
    assert {path.name for path in rebuilt} == {path.name for path in committed.iterdir()}
    for path in rebuilt:
        assert path.read_bytes() == (committed / path.name).read_bytes(), path.name
