"""`ltbench run`: plans, runs, events, failures, and what an interruption leaves."""

import json
import os
import re
import shutil
import signal
from pathlib import Path

import pytest

from ltbench.data.catalog import dataset
from ltbench.engine.checkpoint import Checkpoint
from ltbench.errors import LtbenchError
from ltbench.runs.execute import run_job
from ltbench.runs.files import write_file
from ltbench.runs.plan import make
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace

SMOKE = ("--dataset", "digits_lt", "--protocol", "smoke")
GO_ON = "ltbench: interrupted; the same command goes on from the last finished epoch"


def events(text: str) -> list[dict]:
    """Parse JSON lines as other programs do: NaN is none."""

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def records(folder: Path) -> list[str]:
    return [f"{record.method} {record.seed}" for record in Store(folder).records()]


def test_a_dry_run_prints_cells_and_time_and_writes_nothing(ltbench, home):
    methods = "ce,ce+posthoc_logit_adjustment,sam"
    answer = ltbench("run", "--methods", methods, *SMOKE, "--seeds", "2", "--dry-run")
    assert answer.code == 0
    first, *rest = answer.out.splitlines()
    assert first.startswith("6 cells, 0 finished; 4 trainings to do, about ")
    assert [line.strip() for line in rest] == [
        "train ce on digits_lt(imbalance=20), resnet8, smoke, seed 0",
        "and read ce+posthoc_logit_adjustment off it",
        "train sam on digits_lt(imbalance=20), resnet8, smoke, seed 0",
        "train ce on digits_lt(imbalance=20), resnet8, smoke, seed 1",
        "and read ce+posthoc_logit_adjustment off it",
        "train sam on digits_lt(imbalance=20), resnet8, smoke, seed 1",
    ]
    planned = ltbench("run", "--methods", methods, *SMOKE, "--seeds", "2", "--dry-run", "--json")
    (plan,) = events(planned.out)
    assert plan["finished"] == 0
    assert plan["seconds"] > 0
    assert [row["method"] for row in plan["to_train"]] == methods.split(",") * 2
    assert len({row["training"] for row in plan["to_train"]}) == 4
    assert not list(home.iterdir())


def test_a_dry_run_says_where_first_stages_come_from(ltbench, home):
    def planned(methods):
        call = ("run", "--methods", methods, *SMOKE, "--seeds", "1", "--dry-run")
        lines = ltbench(*call).out.splitlines()[1:]
        rows = events(ltbench(*call, "--json").out)[0]["to_train"]
        sources = [row["first_stage"] and row["first_stage"]["from"] for row in rows]
        return [line.strip() for line in lines if "first stage" in line], sources

    assert planned("crt,lws,ce") == (
        [
            "first stage ce, trained with it, and kept for others",
            "first stage ce, trained by an earlier one of these",
        ],
        ["own", "shared", None],
    )
    assert ltbench("run", "--methods", "crt", *SMOKE, "--seeds", "1").code == 0
    assert planned("lws") == (["first stage ce, taken up, for it is trained already"], ["kept"])
    shown = ltbench("run", "--methods", "ce", *SMOKE, "--seeds", "1", "--json")
    assert not [e for e in events(shown.out) if e["event"] == "epoch"]  # read off the first stage


def test_a_dry_run_never_touches_the_network_and_says_what_is_missing(ltbench, home, monkeypatch):
    import socket

    def refuse(*given, **options):
        raise AssertionError("a dry run asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("torchvision.datasets.cifar.download_and_extract_archive", refuse)
    sets = ("--dataset", "cifar10_lt,digits_lt", "--protocol", "smoke", "--seed", "0")
    answer = ltbench("run", "--methods", "ce", *sets, "--dry-run")
    assert answer.code == 0
    assert "train ce on cifar10_lt(imbalance=100)" in answer.out
    assert "train ce on digits_lt(imbalance=20)" in answer.out
    assert "not in that time: cifar10_lt is missing under data" in answer.err
    assert not (home / "data").exists()
    alone = ("run", "--methods", "ce", "--dataset", "cifar10_lt", "--seed", "0", "--dry-run")
    answer = ltbench(*alone)
    assert "1 training to do, nobody knows how long on " in answer.out
    assert answer.err.startswith("ltbench: missing: cifar10_lt is missing under data")
    (planned,) = events(ltbench(*alone, "--json").out)
    assert planned["seconds"] is None


def test_single_seeds_are_named_by_seed(ltbench, home):
    call = ("run", "--methods", "ce", *SMOKE, "--dry-run", "--json")
    for words, seeds in ((("--seed", "4"), [4]), (("--seed", "0", "--seed", "7"), [0, 7])):
        (planned,) = events(ltbench(*call, *words).out)
        assert [row["seed"] for row in planned["to_train"]] == seeds
    for text, remedy in (("4,5", "; several are --seeds 4,5."), ("-1", "."), ("two", ".")):
        answer = ltbench(*call, f"--seed={text}")
        assert answer.code == 2
        sentence = f"--seed {text}: give one whole number from 0 on{remedy}"
        assert answer.err == f"ltbench: {sentence}\n"


def test_a_run_in_json_prints_json_lines_only(ltbench, home):
    call = ("run", "--methods", "ce,ldam_drw", *SMOKE, "--seeds", "0,4", "--json")
    answer = ltbench(*call)
    assert answer.code == 0
    assert answer.err == ""
    heard = events(answer.out)
    for method in ("ce", "ldam_drw"):
        for seed in (0, 4):
            mine = [e for e in heard if e.get("method") == method and e.get("seed") == seed]
            assert [e["event"] for e in mine] == ["started", "epoch", "epoch", "finished"]
            assert [e["epoch"] for e in mine[1:3]] == [1, 2]
            (record,) = mine[3]["records"]
            assert record["last"]["top1"] == mine[2]["headline"]
    assert sorted(records(home / "results")) == ["ce 0", "ce 4", "ldam_drw 0", "ldam_drw 4"]
    again = ltbench(*call)
    assert again.code == 0
    assert not [e for e in events(again.out) if e["event"] in ("started", "epoch", "finished")]


def test_what_is_finished_is_compared_where_nothing_can_be_written(ltbench, home, monkeypatch):
    call = ("run", "--methods", "ce", *SMOKE, "--seeds", "1", "--quiet")
    assert ltbench(*call).code == 0

    def refuse(store):
        raise LtbenchError(f"cannot write in {store.root}; choose another folder with --results.")

    monkeypatch.setattr(Store, "check_writable", refuse)
    assert ltbench(*call).code == 0
    assert "cannot write" in ltbench(*call, "--force").err


def test_lines_say_what_begins_and_what_came_of_it(ltbench, home, no_cache):
    call = ("run", "--methods", "ce", *SMOKE, "--seeds", "1", "--results", "elsewhere")
    answer = ltbench(*call)
    assert answer.code == 0
    assert answer.err == "ltbench: timing 1 of 1: steps of ce on Digits-LT …\n"
    lines = answer.out.splitlines()
    assert lines[0].startswith("1 cell, 0 finished; 1 training to do, about ")
    assert lines[1] == "[1/1] ce on digits_lt(imbalance=20), seed 0"
    assert "ce on digits_lt(imbalance=20), seed 0: top-1 " in lines[2]
    assert [path.name for path in home.iterdir()] == ["elsewhere"]
    again = ltbench(*call)
    assert again.out.splitlines()[0] == "1 cell, 1 finished; nothing to train"
    quiet = ltbench(*call, "--force", "--quiet")
    assert quiet.code == 0
    assert "top-1 " not in quiet.out.splitlines()[0] or "method" in quiet.out
    assert "trainings to do" not in quiet.out
    status = events("".join(ltbench("status", "--results", "elsewhere", "--json").out.split("\n")))
    assert [line["finished"] for line in status[0]] == [[0]]


NAN = """
def losses(self, outputs, batch, clock):
    scale = float("nan") if (clock.epoch, clock.step) == (1, 1) else 1.0
    return scale * super().losses(outputs, batch, clock)
"""


@pytest.mark.slow
def test_a_failure_is_told_with_epoch_and_step_and_does_not_stop_the_rest(
    ltbench, home, method_file
):
    mine = method_file("diverges", NAN)
    call = ("run", "--methods", "diverges,ce", *SMOKE, "--seeds", "1", "--load", mine)
    answer = ltbench(*call)
    assert answer.code == 1
    assert "diverges on digits_lt(imbalance=20), seed 0 failed: " in answer.err
    assert "the loss is not finite at epoch 2, step 2" in answer.err
    assert "Traceback" not in answer.err
    assert "for diverges has no record" in " ".join(answer.out.split())  # to compare ce with
    last = answer.err.splitlines()[-1]
    assert last.startswith("ltbench: 1 of 2 trainings failed (diverges on ")
    assert "`ltbench status` says why" in last
    assert records(home / "results") == ["ce 0"]
    told = ltbench("status")
    assert "seed 0 failed: the loss is not finite at epoch 2, step 2" in told.out
    (done, failed) = json.loads(ltbench("status", "--json").out)
    assert (done["finished"], done["failed"]) == ([0], [])
    assert (failed["method"], failed["finished"], failed["failed"]) == ("diverges", [], [0])

    heard = ltbench(*call, "--json")
    assert heard.code == 1
    assert [e["event"] for e in events(heard.out) if e["event"] == "failed"] == ["failed"]
    mine.write_text(mine.read_text().replace('float("nan")', "1.0"))
    assert ltbench(*call).code == 0
    assert sorted(records(home / "results")) == ["ce 0", "diverges 0"]
    assert not list(home.rglob("*.failed.json"))
    assert not list(home.rglob("*.tmp"))


@pytest.mark.slow
def test_a_method_that_raises_at_its_first_step_does_not_stop_the_rest(ltbench, home, method_file):
    mine = method_file("breaks", "def losses(self, *given):\n    raise RuntimeError('it broke')")
    call = ("run", "--methods", "breaks,ce", *SMOKE, "--seeds", "1", "--load", mine)
    answer = ltbench(*call)
    assert answer.code == 1
    assert records(home / "results") == ["ce 0"]
    assert "RuntimeError: it broke" in answer.err
    first, *_ = answer.err.splitlines()  # before anything is trained
    assert re.fullmatch(
        r"ltbench: breaks broke on made-up images: RuntimeError: it broke "
        r"\(breaks.py, line \d+\)\.",
        first,
    )
    assert "Traceback" not in answer.err
    debugged = ltbench(*call, "--debug")
    assert debugged.code == 1
    assert "raise RuntimeError('it broke')" in debugged.err


def test_bad_files_among_the_records_are_named_by_status_and_by_the_run_they_stop(ltbench, home):
    call = ("run", "--methods", "ce", *SMOKE, "--seeds", "2", "--quiet")
    assert ltbench(*call).code == 0
    spoilt = next(path for path in home.rglob("seed1.json"))
    spoilt.write_text(spoilt.read_text()[:100])
    status = ltbench("status")
    assert status.code == 0
    assert f"ltbench: left out: {spoilt.relative_to(home)} does not read (" in status.err
    again = ltbench(*call)
    assert again.code == 1
    assert again.err.startswith(f"ltbench: {spoilt.relative_to(home)} does not read (")
    assert "delete it and run again." in again.err
    assert again.err.count("\n") == 1
    spoilt.unlink()
    assert ltbench(*call).code == 0
    assert records(home / "results") == ["ce 0", "ce 1"]


def test_a_corrupt_checkpoint_is_named_and_the_rest_goes_on(ltbench, home):
    call = ("run", "--methods", "ce", *SMOKE, "--seeds", "2")
    (job, _) = make(
        [dataset("digits_lt")], ["ce"], [0, 1], Store(Path("results")), protocol_name="smoke"
    ).jobs
    path = Path("results", "work", job.fingerprint, "checkpoint.pt")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK torn")
    answer = ltbench(*call)
    assert answer.code == 1
    assert f"checkpoint {path} does not read (" in answer.err
    assert "delete it to train this run from the start." in answer.err
    assert records(home / "results") == ["ce 1"]
    path.unlink()
    assert ltbench(*call).code == 0
    assert records(home / "results") == ["ce 0", "ce 1"]


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on_and_ends_bit_identical(
    start, ltbench, home, tmp_path
):
    protocol = "fast(epochs=24, evaluate_every=1)"  # none ends before the interrupt arrives
    call = [
        "run", "--methods", "ldam_drw+sam", "--dataset", "digits_lt", "--protocol", protocol,
        "--seeds", "1", "--json",
    ]  # fmt: skip
    whole_epochs = 1
    # Ctrl-C to this process alone; then, as a terminal sends it, to a whole group with workers.
    for more, interrupt in (([], os.kill), (["--jobs", "2"], os.killpg)):
        process = start(*call, *more)
        epochs = []
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "epoch":
                epochs.append(event["epoch"])
            if len(epochs) == 2:
                break
        interrupt(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        told = re.fullmatch(rf"{GO_ON} \(ldam_drw\+sam, seed 0: (\d+) of (\d+)\)\.\n", err)
        assert told, err
        (row,) = json.loads(ltbench("status", "--json").out)
        (unfinished,) = row["unfinished"]
        assert [unfinished["epoch"], unfinished["epochs"]] == [*map(int, told.groups())]
        assert not unfinished["running"]
        assert epochs[0] >= whole_epochs  # but for the one in hand, no epoch is trained twice
        whole_epochs = epochs[1]
        assert records(home / "results") == []
        assert not list(home.rglob("*.tmp"))
        assert not list(home.rglob("*.failed.json"))
    moved = home / "moved"  # as to another machine
    shutil.copytree(home / "results" / "work", moved / "work")
    answer = ltbench(*call, "--results", str(moved))
    assert answer.err == ""
    assert next(e["epoch"] for e in events(answer.out) if e["event"] == "epoch") >= whole_epochs
    (record,) = Store(moved).records()

    whole = tmp_path / "whole"
    (job,) = make(
        [dataset("digits_lt")], ["ldam_drw+sam"], [0], Store(whole), protocol_name=protocol
    ).jobs
    (undisturbed,) = run_job(job, Workspace(whole, whole / "data", "cpu"), lambda report: None)
    assert record.fingerprint == undisturbed.fingerprint
    assert (record.last, record.best) == (undisturbed.last, undisturbed.best)
    assert record.cost.steps == undisturbed.cost.steps
    one, two = (
        Checkpoint(folder / "work" / job.fingerprint / "checkpoint.pt", write_file).load()
        for folder in (moved, whole)
    )
    for name, weights in one["network"].items():
        assert weights.equal(two["network"][name])


@pytest.mark.slow
def test_a_run_whose_time_is_over_has_an_exit_code_and_a_sentence_of_its_own(start, home):
    protocol = "fast(epochs=4000, evaluate_every=4000)"
    call = ("run", "--methods", "ce", "--dataset", "digits_lt", "--protocol", protocol)
    process = start(*call, "--seed", "0", "--time-limit", "1h", "--signal-before", "1m", "--json")
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "epoch" and event["epoch"] >= 2:
            break
    process.send_signal(signal.SIGALRM)  # what rings 59 minutes later
    _, err = process.communicate(timeout=120)
    assert process.returncode == 75, err
    assert re.fullmatch(
        r"ltbench: the time is over, and every training has saved its last whole epoch; the same "
        r"command goes on \(ce, seed 0: \d+ of 4000\)\.\n",
        err,
    ), err
    assert list(home.rglob("checkpoint.pt"))


@pytest.mark.slow
def test_a_notice_to_end_before_training_begins_is_one_sentence_too(start, home, method_file):
    body = """
    def losses(self, outputs, batch, clock):
        print("here", flush=True)
        while True:
            pass
    """
    mine = method_file("waits", body)
    process = start("run", "--methods", "waits", *SMOKE, "--load", mine)
    assert process.stdout.readline() == "here\n"  # in the estimate
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.startswith("ltbench: interrupted")
    assert err.count("\n") == 1
    assert not list(home.iterdir())


EDITED = (
    "def losses(self, outputs, batch, clock):\n"
    "    return {} * super().losses(outputs, batch, clock)\n"
)


@pytest.mark.slow
def test_an_edited_method_is_trained_again_by_name_and_its_old_run_is_kept_apart(
    ltbench, home, method_file
):
    path = method_file("mine", EDITED.format(1))
    call = ("run", "--methods", "ce,mine", *SMOKE, "--seed", "0", "--load", path, "--quiet")
    assert ltbench(*call).code == 0
    (plain,), (old,) = (list(home.rglob(f"{name}/seed0.json")) for name in ("ce", "mine"))
    before = plain.stat().st_mtime_ns, old.read_text()
    method_file("mine", EDITED.format(2))
    refused = ltbench(*call)
    assert refused.code == 1
    assert "with --force mine trains it again and keeps the old run beside it." in refused.err
    assert ltbench(*call, "--force", "mine").code == 0
    assert plain.stat().st_mtime_ns == before[0]  # the baseline was not trained again
    (aside,) = old.parent.glob("*/seed0.json")
    assert aside.read_text() == before[1]
    assert aside.parent.name == json.loads(before[1])["fingerprint"]
    assert aside.with_suffix(".csv").exists()
    assert json.loads(old.read_text())["sources"] != json.loads(before[1])["sources"]
    rows = json.loads(ltbench("status", "--json").out)
    assert [(row["method"], row["finished"]) for row in rows] == [("ce", [0]), ("mine", [0])]
    assert ltbench(*call).code == 0


def test_force_without_names_means_all_and_names_nothing_strange(ltbench, home):
    call = ("run", "--methods", "ce,ce+sam", *SMOKE, "--seed", "0")
    assert ltbench(*call, "--quiet").code == 0

    def planned(*words):
        (found,) = events(ltbench(*call, "--dry-run", "--json", *words).out)
        return [row["method"] for row in found["to_train"]]

    assert planned() == []
    assert planned("--force") == ["ce", "ce+sam"]
    assert planned("--force", "sam") == planned("--force=ce+sam") == ["ce+sam"]
    assert planned("--force", "ce,sam(rho=0.05)") == ["ce", "ce+sam"]
    answer = ltbench(*call, "--force", "focal")
    assert answer.code == 2
    assert "--force focal: that is none of the methods of this command." in answer.err


DIGITS = """
title: Digits
protocol: smoke
seeds: [0, 1]
columns:
  - {header: r=20, dataset: digits_lt}
  - {header: r=10, dataset: digits_lt(imbalance=10)}
rows:
  - {label: CE, method: ce}
  - {label: Focal, method: focal(gamma=1)}
  - {label: Focal once more, method: focal}
  - {label: Later, method: of_tomorrow}
"""


def test_a_table_is_filled_by_one_command(ltbench, home):
    (home / "mine.yaml").write_text(DIGITS)
    planned = ltbench("run", "--table", "mine.yaml", "--dry-run", "--json")
    assert "rows of of_tomorrow are left out" in planned.err
    plan = json.loads(planned.out)
    cells = {(row["dataset"], row["method"], row["seed"]) for row in plan["to_train"]}
    assert cells == {
        (f"digits_lt(imbalance={ratio})", method, seed)
        for ratio in (20, 10) for method in ("ce", "focal") for seed in (0, 1)
    }  # fmt: skip
    other = ltbench("run", "--table", "mine.yaml", "--seeds", "5,7", "--dry-run", "--json")
    assert {row["seed"] for row in json.loads(other.out)["to_train"]} == {5, 7}
    assert ltbench("run", "--table", "mine.yaml", "--seed", "1", "--quiet").code == 0
    assert len(records(home / "results")) == 4
    again = json.loads(ltbench("run", "--table", "mine.yaml", "--dry-run", "--json").out)
    assert (again["finished"], len(again["to_train"])) == (4, 4)
    assert ltbench("run", "--table", "mine.yaml", "--quiet").code == 0
    finished = ltbench("run", "--table", "mine.yaml", "--quiet")
    assert finished.code == 0
    assert "ce" in finished.out  # compared, though nothing was left to train
    assert "focal" in finished.out


def test_a_table_says_what_to_run_alone(refused, home):
    assert "--table says what to run" in refused("run", "--table", "1", "--methods", "ce")
    assert "--table says what to run" in refused("run", "--table", "1", "--network", "resnet8")
    assert "or --table" in refused("run", "--methods", "ce")
    assert "unknown table '99'" in refused("run", "--table", "99")
    assert "imagenet_lt is not prepared under" in refused("run", "--table", "3", code=1)
    assert "places_lt is not prepared under" in refused("run", "--table", "cc_sam/2", code=1)


@pytest.mark.usefixtures("places_unread")
def test_a_table_of_which_nothing_runs_is_said_so(refused, home):
    sentence = refused("run", "--table", "cc_sam/2", code=1)
    assert "table cc_sam/2 has no cell that can run here" in sentence
