"""`ltbench plan`: what it times, and what it remembers of earlier commands."""

import json
from pathlib import Path

import pytest

from ltbench.runs import timing
from ltbench.runs.step_time import StepTime

TABLE = """title: Digits
protocol: fast
seeds: [0, 1]
columns:
  - {header: all, dataset: digits_lt, network: resnet8}
rows:
  - {label: CE, method: ce}
  - {label: Focal, method: focal}
"""


@pytest.fixture
def plan(ltbench, home, monkeypatch, no_cache):
    """Plan a table of two methods on digits, whose steps take a second each."""
    (home / "mine.yaml").write_text(TABLE)
    timed = []

    def measure(job, workspace):
        timed.append(job.trained)
        return StepTime(1.0, 0.0, 0.0)

    monkeypatch.setattr(timing, "measure_step_time", measure)
    asked = ("plan", "table", "mine.yaml", "--protocol", "fast", "--seeds", "2")
    call = lambda *words: ltbench(*asked, *words)  # noqa: E731
    call.timed = timed
    return call


def test_a_second_plan_times_nothing_and_says_so(plan):
    first = plan()
    assert "timing 1 of 2: steps of ce on Digits-LT" in first.err
    assert "timing 2 of 2: steps of focal on Digits-LT" in first.err
    assert "earlier commands" not in first.out
    second = plan()
    assert "timing" not in second.err
    assert "2 of 2 timings are of earlier commands" in second.out
    assert plan.timed == ["ce", "focal"]


def test_measure_again_times_all_anew(plan):
    plan()
    again = json.loads(plan("--measure-again", "--json").out)
    assert again["timings"] == {"now": 2, "remembered": 0}
    assert plan.timed == ["ce", "focal"] * 2


def test_a_proxy_has_runs_though_it_decides_nothing(plan):
    assert "Nothing of it can be run" not in plan().out


def test_an_hour_that_has_a_price_prices_runs(plan):
    plain = json.loads(plan("--json").out)
    assert plain["price_per_hour"] is None
    assert [each["price"] for each in plain["run"]] == [None] * len(plain["run"])
    found = json.loads(plan("--json", "--price-per-hour", "36").out)  # a hundredth a second
    assert found["price_per_hour"] == 36
    assert [each["price"] for each in found["run"]] == [
        pytest.approx(each["seconds"] / 100, abs=0.006) for each in found["run"]
    ]
    assert found["seeds_are_worth"][1]["price"] == pytest.approx(
        found["seeds_are_worth"][1]["seconds"] / 100, abs=0.006
    )
    hours = sum(each["seconds"] for each in found["run"]) / 3600
    text = plan("--price-per-hour", "36").out
    assert "costs" in text
    assert f"{hours:.2f} hours at 36 cost {hours * 36:.2f}." in text
    assert "costs" not in plan().out


@pytest.mark.parametrize(("columns", "has_basis"), [("80", True), ("60", False)])
def test_a_narrow_terminal_breaks_no_line_and_loses_what_is_said_below(
    plan, monkeypatch, columns, has_basis
):
    monkeypatch.setenv("COLUMNS", columns)
    out = plan().out
    for method in ("ce", "focal"):
        (line,) = [each for each in out.splitlines() if each.startswith(f"{method} ")]
        assert "Digits-LT, r = 20" in line
        assert ("timed steps" in line) is has_basis
    assert "from timed steps: a few steps timed here" in out
    assert max(len(line) for line in out.splitlines() if "ltbench run" not in line) <= int(columns)


def test_claims_of_a_papers_table_are_priced_and_valued(ltbench, home, no_cache):
    call = ("plan", "table", "5", "--seeds", "3", "--price-per-hour", "36")
    claims = json.loads(ltbench(*call, "--json").out)["claims"]
    assert {each["over"] for each in claims} >= {"bcl"}
    first = claims[0]
    assert (first["verdict"], first["seconds"], first["from"]) == ("not run", None, "unknown")
    assert first["decided_at"].keys() == {"3", "5", "10", "20"}
    text = ltbench(*call).out
    heading = "What deciding its claims takes, each by itself"
    assert text.count(heading) == 1
    table = text.partition(heading)[2]
    assert [word in table for word in ("at 3", "at 5", "decided by", "a gain by")] == [True] * 4
    assert [table.count(f"{each['claim']} (") for each in claims] == [1] * len(claims)
    assert "claims" not in ltbench("plan", "table", "2", "--seeds", "3").out


def test_runs_of_unknown_cost_alone_are_a_question_mark_not_a_second(ltbench, home, no_cache):
    text = TABLE.replace("protocol: fast\n", "").replace("digits_lt", "cifar10_lt")
    (home / "mine.yaml").write_text(text.replace("resnet8", "resnet32"))
    out = ltbench("plan", "table", "mine.yaml", "--seeds", "2").out
    assert "No known cost: " in out
    assert "1 s" not in out


@pytest.mark.parametrize("table", ["1", "4"])
def test_what_is_decided_now_is_what_the_ledger_says(ltbench, no_cache, monkeypatch, table):
    monkeypatch.setattr(timing, "measure_step_time", lambda *asked: StepTime(1.0, 0.0, 0.0))
    committed = ("--results", Path(__file__).parents[2] / "results")
    rows = json.loads(ltbench("ledger", *committed, "--format", "json").out)
    decided = [
        row for row in rows["cells"] if row["table"] == table
        and row["verdict"] in ("holds", "differs")
    ]  # fmt: skip
    assert decided
    planned = json.loads(ltbench("plan", "table", table, *committed, "--json").out)
    assert planned["values"]["decided_now"] == len(decided)
    assert [each["decided"] for each in planned["seeds_are_worth"][:2]] == [0.0, 0.0]
