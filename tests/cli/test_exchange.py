"""`ltbench export`, `merge`, `evaluate` and `plan` as typed."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNS = Path("runs/digits_lt-imbalance=20/fast/resnet8/ce")


@pytest.fixture
def committed(home):
    shutil.copytree(ROOT / "results" / RUNS, home / "theirs" / RUNS)
    return home / "theirs"


def test_export_to_standard_output_and_to_a_file(ltbench, committed, home):
    said = ltbench("export", "--results", committed)
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert (said.code, said.err, len(rows)) == (0, "", 5)
    written = ltbench("export", "--results", committed, "--output", home / "x" / "records.csv")
    assert written.out == f"5 records written to {home}/x/records.csv.\n"
    assert (home / "x" / "records.csv").read_text() == said.out


def test_export_names_what_it_leaves_out(ltbench, committed):
    (committed / RUNS / "seed0.json").write_text("{")
    said = ltbench("export", "--results", committed)
    assert said.code == 0
    assert "left out" in said.err
    assert "seed0.json does not read" in said.err
    assert len(said.out.splitlines()) == 5


def test_a_file_that_cannot_be_written_names_the_option_that_chose_it(refused, committed, home):
    (home / "file").write_text("mine")
    words = ("export", "--results", committed, "--output", home / "file" / "records.csv")
    assert "another folder with --output." in refused(*words, code=1)


@pytest.mark.parametrize("kind", ["parquet", "bundle"])
def test_archives_need_a_file(refused, committed, kind):
    assert "give --output records." in refused("export", "--format", kind, "--results", committed)


def test_a_bundle_goes_round(ltbench, committed, home, tree):
    ltbench("export", "--format", "bundle", "--results", committed, "--output", "a.zip")
    dry = ltbench("merge", "a.zip", "--dry-run")
    assert dry.code == 0
    assert "added          5" in dry.out
    assert not (home / "results").exists()
    merged = ltbench("merge", "a.zip")
    assert merged.code == 0
    assert tree(home / "results") == tree(committed)
    again = ltbench("merge", "a.zip")
    assert again.code == 0
    assert "already there  5" in again.out


def test_a_conflict_is_told_and_fails(ltbench, committed, home):
    ltbench("merge", committed)
    path = committed / RUNS / "seed0.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "finished": "2030-01-01"}))
    assert ltbench("merge", committed).code == 0  # the same result at another time
    last = record["last"]
    last["correct"][0] -= 1
    last["many"] = 100 * last["correct"][0] / last["total"][0]
    last["top1"] = 100 * sum(last["correct"]) / sum(last["total"])
    path.write_text(json.dumps({**record, "finished": "2030-01-01"}))
    said = ltbench("merge", committed)
    assert said.code == 1
    assert "conflict       1" in said.out
    assert f"is another run, with top-1 {last['top1']:.2f} where ours has" in said.out
    assert "(2030-01-01, ours" in said.out
    assert "1 of 5 records were not taken" in said.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["merge", "nowhere.zip"], "nowhere.zip does not exist"),
        (["evaluate", "--thresholds", "20"], "give two whole numbers"),
        (["evaluate", "--thresholds", "20,100"], "exchange them"),
        (["evaluate", "--priors", "sideways"], "test prior 'sideways' is none"),
        (["evaluate", "--posthoc", "tau_norm"], "tau_norm cannot be applied to stored logits"),
        (["plan", "table", "1", "--budget", "soon"], "give a time such as 8h"),
        (["plan", "table", "nine"], "unknown table 'nine'"),
    ],
)
def test_what_cannot_be_is_one_sentence(refused, words, sentence):
    assert sentence in refused(*words)


def test_evaluate_without_logits_names_the_command_that_makes_them(refused, committed):
    sentence = refused("evaluate", "--results", committed, code=1)
    assert sentence.startswith("5 of 5 records have no logits in ")
    assert (
        "ltbench run --methods ce --dataset digits_lt --imbalance 20 --seeds 0,1,2,3,4" in sentence
    )
    assert "theirs-again" in sentence
    assert "no record fits" in refused(
        "evaluate", "--results", committed, "--methods", "sam", code=1
    )


def test_evaluate_shows_means_and_writes_rows(ltbench, home):
    ltbench(
        "run", "--methods", "ce", "--dataset", "digits_lt", "--protocol", "smoke", "--seeds", "3",
        "--quiet",
    )  # fmt: skip
    words = ("evaluate", "--priors", "forward10,uniform", "--thresholds", "100,20",
             "--thresholds", "10,5", "--posthoc", "posthoc_logit_adjustment(tau=2.0)")  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(ltbench(*words, "--format", "csv").out)))
    assert len(rows) == 3 * 2 * 2 * 2  # seeds, variants, priors, thresholds
    assert {row["test_prior"] for row in rows} == {"forward10", "uniform"}
    assert json.loads(ltbench(*words, "--format", "json").out)[0]["method"] == "ce"
    shown = ltbench(*words)
    assert shown.code == 0
    assert "posthoc_logit_adjustment(tau=2.0)" in shown.out
    assert "±" in shown.out
    said = ltbench("evaluate", "--confusion", "seen", "--format", "json")
    assert "14 files written to seen" in said.err
    files = sorted(path.name.partition("ce_")[2] for path in (home / "seen").iterdir())
    assert files == [
        "confusion.csv", "confusion.pdf", "confusion.png", "confusion.svg", "reliability.csv",
        "reliability.pdf", "reliability.png", "reliability.svg", "seed0_classes.csv",
        "seed0_predictions.csv", "seed1_classes.csv", "seed1_predictions.csv", "seed2_classes.csv",
        "seed2_predictions.csv",
    ]  # fmt: skip
    (path,) = (home / "seen").glob("*ce_reliability.csv")
    bins = list(csv.DictReader(io.StringIO(path.read_text())))
    assert sum(int(line["images"]) for line in bins) == 3 * 100  # of three seeds
    (path,) = (home / "seen").glob("*seed1_predictions.csv")
    lines = list(csv.DictReader(io.StringIO(path.read_text())))
    right = sum(line["label"] == line["predicted"] for line in lines)
    assert 100 * right / len(lines) == pytest.approx(json.loads(said.out)[1]["top1"])


@pytest.fixture
def trained(ltbench, home):
    """Two seeds of plain training; return what changes the code that made seed 1."""
    ltbench(
        "run", "--methods", "ce", "--dataset", "digits_lt", "--protocol", "smoke", "--seeds", "2",
        "--quiet",
    )  # fmt: skip
    (path,) = (home / "results").rglob("seed1.json")

    def change(**fields):
        record = json.loads(path.read_text())
        path.write_text(json.dumps({**record, **fields}))

    return change


@pytest.mark.slow
def test_predictions_are_written_after_every_post_hoc_part(ltbench, home, trained):
    part = "posthoc_logit_adjustment(tau=9.0)"
    words = ("evaluate", "--confusion", "seen", "--posthoc", part, "--temperature", "test-halves")
    said = ltbench(*words, "--format", "json")
    assert "36 files written to seen" in said.err
    (path,) = (home / "seen").glob("*_ce_posthoc_logit_adjustment-tau=9.0_seed1_predictions.csv")
    lines = list(csv.DictReader(io.StringIO(path.read_text())))
    right = sum(line["label"] == line["predicted"] for line in lines)
    rows = {(row["seed"], row["post_hoc"]): row["top1"] for row in json.loads(said.out)}
    assert rows[1, part] != rows[1, "as recorded"]
    assert 100 * right / len(lines) == pytest.approx(rows[1, part])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--priors", "forward50,uniform"], "it goes with no other test prior"),
        (["--thresholds", "100,20", "--thresholds", "50,9"], "one pair of --thresholds"),
    ],
)
def test_predictions_refuse_what_they_would_not_tell_apart(refused, words, sentence):
    assert sentence in refused("evaluate", "--confusion", "seen", *words)


def test_evaluate_warns_of_seeds_of_different_code(ltbench, trained):
    assert ltbench("evaluate").err == ""
    trained(code={"engine": "0" * 12})
    said = ltbench("evaluate")
    assert "ce on digits_lt(imbalance=20): seed 0 and seed 1 were computed by diff" in said.err
    assert "Means over seeds" in said.out


def test_evaluate_has_no_mean_of_seeds_by_different_versions(ltbench, home, trained):
    trained(versions={"ce": 2})
    said = ltbench("evaluate", "--confusion", "seen")
    assert "left out: ce on digits_lt(imbalance=20): seed 0 by version 1 and seed 1" in said.err
    assert said.out == ""
    assert {path.suffix for path in (home / "seen").iterdir()} == {".csv"}  # of one run each
    rows = json.loads(ltbench("evaluate", "--format", "json").out)
    assert [row["seed"] for row in rows] == [0, 1]


def test_evaluate_names_a_command_for_all_records_without_logits(ltbench, home):
    for network in ("resnet8", "resnet32"):
        folder = RUNS.parent.parent / network / "ce"
        source = ROOT / "results" / RUNS / "seed0.json"
        (home / "theirs" / folder).mkdir(parents=True)
        text = source.read_text().replace('"resnet8"', f'"{network}"')
        (home / "theirs" / folder / "seed0.json").write_text(text)
    said = ltbench("evaluate", "--results", "theirs")
    *named, last = said.err.splitlines()
    assert said.code == 1
    assert [line.startswith("ltbench: left out: 1 without logits; `") for line in named] == [
        True
    ] * 2
    assert "--network resnet32" in "".join(named)
    assert "2 of 2 records have no logits" in last
    assert "the commands above train again and keep them." in last


def test_evaluate_of_many_methods_without_logits_names_no_endless_command(ltbench, home):
    here = "--results", str(ROOT / "results"), "--dataset", "digits_lt"
    said = ltbench("evaluate", *here)
    assert said.code == 1
    (line,) = said.err.splitlines()
    assert len(line) < 400
    wanted = re.search("`ltbench (evaluate --methods [a-z_]+)`, with the names", line)
    assert wanted
    few = ltbench(*wanted[1].split(), *here)
    assert "trains again and keeps them." in few.err


def test_plan_without_data_says_what_it_cannot_price(ltbench, home):
    said = ltbench("plan", "table", "7")
    assert said.code == 0
    assert "No known cost: cifar100_lt is missing" in said.out
    assert "only `paper` can confirm" in said.out or "can be decided here" in said.out
    assert list(home.iterdir()) == []
    content = json.loads(ltbench("plan", "table", "7", "--json", "--budget", "8h").out)
    assert content["budget_seconds"] == 28_800
    assert content["run"] == []
    assert {step["from"] for step in content["beyond"]} == {"unknown"}


TABLE = """
title: Digits
protocol: fast
seeds: [0, 1, 2]
columns:
  - {header: digits, dataset: digits_lt(imbalance=20)}
rows:
  - {label: CE, method: ce}
  - {label: adjusted, method: ce+posthoc_logit_adjustment}
  - {label: more of it, method: ldam_drw}
"""


def test_plan_warns_of_finished_seeds_that_other_code_computed(ltbench, home, trained):
    (home / "mine.yaml").write_text(TABLE.replace("fast", "smoke"))
    words = ("plan", "table", "mine.yaml", "--seeds", "3", "--json")
    assert json.loads(ltbench(*words).out)["warnings"] == []
    trained(code={"engine": "0" * 12})
    (warning,) = json.loads(ltbench(*words).out)["warnings"]
    assert "seed 1 was computed by other code (engine) than seed 2 would be now" in warning
    assert f"Warning: {warning}" in ltbench(*words[:-1]).out


def test_plan_prices_from_records_or_a_probe_and_keeps_a_budget(ltbench, home):
    (home / "mine.yaml").write_text(TABLE)
    words = ("plan", "table", "mine.yaml", "--seeds", "2")
    content = json.loads(ltbench(*words, "--json").out)
    assert [step["decided"] for step in content["run"]] == [0, 0, 0]
    assert content["commands"]
    assert sorted(step["from"] for step in content["run"]) == ["timed steps"] * 3
    assert 0.0 in [step["seconds"] for step in content["run"]]  # the adjusted row
    assert len(content["seeds_are_worth"]) == 5
    shown = ltbench(*words, "--budget", "1s")
    assert "Beyond the budget" in shown.out
    assert "from timed steps: a few steps timed here" in shown.out
