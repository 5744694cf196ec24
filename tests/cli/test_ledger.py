"""`ltbench ledger`."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words, **options):
    call = "import sys; from ltbench.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", call, "ledger", *words],
        check=False, capture_output=True, text=True, **options,
    )  # fmt: skip


def test_formats_go_to_standard_output(tmp_path):
    lines = list(csv.DictReader(io.StringIO(run("--format", "csv", cwd=tmp_path).stdout)))
    content = json.loads(run("--format", "json", cwd=tmp_path).stdout)
    assert len(lines) == sum(len(content[key]) for key in ("cells", "claims", "readings"))
    assert {line["verdict"] for line in lines} == {"not run", "cannot run"}
    assert list(tmp_path.iterdir()) == []


def test_view_and_bad_format(tmp_path):
    done = run(cwd=tmp_path)
    assert done.returncode == 0
    assert "reported cells" in done.stdout
    wrong = run("--format", "xml", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "csv" in wrong.stderr


def test_ranks_without_records_are_refused_in_words(tmp_path):
    done = run("--ranks", "fast", cwd=tmp_path)
    assert done.returncode == 1
    assert "nothing to rank under protocol fast; protocols that have records: none" in done.stderr


def test_claims_that_were_not_run_are_counted_not_listed(ltbench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    claims = json.loads(ltbench("ledger", "--format", "json").out)["claims"]
    text = ltbench("ledger").out
    assert f"{len(claims)} claims without runs of both methods" in text
    assert "proxy" not in text.splitlines()[1]  # a column that would be empty
    assert claims[0]["row"][:30] not in text


def test_an_epoch_chosen_on_held_out_images_is_none_of_the_papers(ltbench):
    answer = ltbench("ledger", "--select", "validation")
    assert answer.code == 2
    assert "give last or best_test" in answer.err


def test_verdicts_are_not_broken_at_80_columns_and_whole_where_there_is_room(
    ltbench, monkeypatch, tmp_path
):
    cell = "runs/cifar100_lt-imbalance=100/paper/resnet32/ce/seed0.json"
    copy = tmp_path / "results" / cell
    copy.parent.mkdir(parents=True)
    copy.write_bytes((ROOT / "results" / cell).read_bytes())
    monkeypatch.setenv("COLUMNS", "80")
    narrow = ltbench("ledger", "--results", copy.parents[5]).out.splitlines()
    (line, *_) = (each for each in narrow if each.startswith("1 ") and "CE (Baseline)" in each)
    assert line.split()[-4:] == ["1", "of", "3", "undecided"]
    assert "proxy: it depends on the machine" in narrow
    assert max(map(len, narrow)) <= 80
    monkeypatch.setenv("COLUMNS", "120")
    wide = ltbench("ledger", "--results", copy.parents[5]).out
    assert "undecided: 2 more seeds to run" in wide
