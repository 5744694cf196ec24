"""`ltbench ledger`."""

import csv
import io
import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GAIN = "GKP adds 3.7 points to cross-entropy"
METHODS = ("ce+gkp", "ce")


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


def lines_of(ltbench, *words):
    """Return the lines of the committed records' ledger by table, row and column."""
    shown = ltbench("ledger", "--format", "csv", "--results", ROOT / "results", *words).out
    every = csv.DictReader(io.StringIO(shown))
    return {(x["table"], x["row"], x["column"]): x for x in every if x["kind"] != "reading"}


def test_values_and_claims_are_judged_by_as_many_seeds_as_are_asked_for(ltbench):
    own, more = lines_of(ltbench), lines_of(ltbench, "--seeds", 5)
    value, gain = ("1", "LDAM-DRW", "CIFAR-100-LT, r=100 many"), ("4", GAIN, "all")
    assert (own[value]["verdict"], own[value]["missing_seeds"]) == ("holds", "")
    for key in (value, gain):
        assert (more[key]["verdict"], more[key]["missing_seeds"]) == ("undecided", "2")
    assert ltbench("ledger", "--seeds", 2).code == 2


def test_a_gain_between_rows_that_group_classes_otherwise_stands_on_the_same_ones_too(ltbench):
    few = f"{GAIN.replace('3.7', 'only 0.2')} on the few-shot classes"
    line = lines_of(ltbench)["4", few, "few"]
    folder = ROOT / "results/runs/cifar100_lt-imbalance=100/paper/resnet32"
    cells = (folder / name for name in METHODS)
    ours, over = (
        [json.loads((cell / f"seed{seed}.json").read_text())["last"]["few"] for seed in range(3)]
        for cell in cells
    )
    expected = statistics.fmean(ours) - statistics.fmean(over)
    assert float(line["same_classes"]) == pytest.approx(expected, abs=1e-4)
    assert abs(expected - float(line["mean"])) > 1  # the row's own groups: other classes of ce
    spread = statistics.stdev(a - b for a, b in zip(ours, over, strict=True))
    half = 4.302653 * spread / 3**0.5  # Student's t at two degrees of freedom
    assert float(line["same_classes_ci95"]) == pytest.approx(half, abs=1e-3)
    _, _, claims = ltbench("ledger", "--results", ROOT / "results").out.partition("Claims about")
    assert claims.count("on the same classes") == 4  # few and medium shot, by two readings
    many = claims.partition("many-shot classes")[2].partition("medium-shot")[0]
    assert "on the same classes" not in many
    key = "4", f"{GAIN.replace('3.7', '5.9')} on the many-shot classes", "many"
    assert lines_of(ltbench)[key]["same_classes"] == ""
