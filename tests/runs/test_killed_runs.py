"""A run that is killed with SIGKILL and started again ends as if nothing had happened."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.engine.checkpoint import Checkpoint
from ltbench.runs.store import Store, write_file

DRIVER = Path(__file__).with_name("kill_driver.py")


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folders of killed runs and of the undisturbed ones, and how often each was killed."""
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def expect_same(left: Path, right: Path, lasting) -> None:
    """Records, curves, logits and weights are the same to the bit, but for time and cost."""
    records = []
    for results in (left, right):
        store = Store(results)
        records.append(list(store.records()))
        assert len(records[-1]) == 1
        assert not store.problems
        assert not list(results.rglob("*.failed.json"))
    (one,), (two,) = records
    assert lasting(one) == lasting(two)
    for field in ("steps", "parameters"):
        assert getattr(one.cost, field) == getattr(two.cost, field)
    rows = []
    for results in (left, right):
        (path,) = results.rglob("seed0.csv")
        rows.append([row | {"seconds": ""} for row in csv.DictReader(path.read_text().split("\n"))])
    assert rows[0] == rows[1]
    logits = [(results / "work" / one.fingerprint / "logits.npz") for results in (left, right)]
    assert logits[0].read_bytes() == logits[1].read_bytes()
    saved = [
        Checkpoint(results / "work" / one.fingerprint / "checkpoint.pt", write_file).load()
        for results in (left, right)
    ]
    assert saved[0]["network"].keys() == saved[1]["network"].keys()
    for name, weights in saved[0]["network"].items():
        assert weights.equal(saved[1]["network"][name]), name


def test_a_run_killed_at_twenty_random_moments_ends_bit_identical(killed, lasting):
    folder, done = killed
    assert done["kills"] >= 20
    assert done["moments"] >= 6  # kills fell into different epochs
    expect_same(folder / "whole", folder / "random", lasting)


def test_a_run_killed_before_any_change_to_a_file_ends_bit_identical(killed, lasting):
    folder, done = killed
    assert done["changes"] >= 20
    for number in range(done["changes"]):
        expect_same(folder / "short", folder / f"step{number}", lasting)


def test_what_a_killed_run_left_half_written_is_gone_when_its_next_try_ends(killed):
    folder, _ = killed
    assert [path.name for path in folder.rglob("*.tmp")] == []
