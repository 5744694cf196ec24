"""A run that is killed with SIGKILL and started again ends as if nothing had happened."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ltbench.engine.checkpoint import Checkpoint
from ltbench.runs.files import write_file
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store
from ltbench.runs.unit import file_of, sha256

pytestmark = pytest.mark.slow

DRIVER = Path(__file__).with_name("kill_driver.py")
MANY = int(os.environ.get("LTBENCH_ATTACKS", "1")) > 1  # as `nox -s attack` asks for


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folders of killed runs and of the undisturbed ones, and how often each was killed."""
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(folder)],
        capture_output=True, text=True, check=False, timeout=10_000 if MANY else 300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    if target := os.environ.get("LTBENCH_ATTACK_COUNTS"):
        Path(target).with_suffix(".kills.json").write_text(done.stdout)
    return folder, json.loads(done.stdout)


def expect_same(left: Path, right: Path, lasting) -> None:
    """Records, curves, logits and weights are the same to the bit, but for time and cost."""
    found = []
    for results in (left, right):
        store = Store(results)
        records = {record.method: record for record in store.records()}
        assert sorted(records) == ["ldam_drw+sam", "ldam_drw+sam+posthoc_logit_adjustment"]
        assert not store.problems
        assert not list(results.rglob("*.failed.json"))
        found.append([(store, record) for record in records.values()])
    for (store, one), (other, two) in zip(*found, strict=True):
        assert lasting(one) == lasting(two)
        assert (one.cost.steps, one.cost.parameters) == (two.cost.steps, two.cost.parameters)
        assert curves(store, one) == curves(other, two)
        logits = [at.work(one.fingerprint) / "logits.npz" for at in (store, other)]
        assert logits[0].read_bytes() == logits[1].read_bytes()
    trained = found[0][0][1].fingerprint
    one, two = (
        Checkpoint(Store(results).work(trained) / "checkpoint.pt", write_file).load()["network"]
        for results in (left, right)
    )
    assert one.keys() == two.keys()
    assert all(weights.equal(two[name]) for name, weights in one.items())


def curves(store: Store, record: Record) -> list[dict[str, str]]:
    """The rows of a record's curves, without the time they took."""
    text = store.curves_path(Cell.of(record)).read_text()
    return [row | {"seconds": ""} for row in csv.DictReader(text.splitlines())]


def test_a_run_killed_at_twenty_random_moments_ends_bit_identical(killed, lasting):
    folder, done = killed
    assert done["kills"] >= (92 if MANY else 20)
    assert done["moments"] >= 6  # kills fell into different epochs
    expect_same(folder / "whole", folder / "random", lasting)


def test_a_run_killed_before_any_change_to_a_file_ends_bit_identical(killed, lasting):
    folder, done = killed
    assert done["changes"] >= (313 if MANY else 20)
    for number in range(done["changes"]):
        expect_same(folder / "short", folder / f"step{number}", lasting)


def test_what_a_killed_run_left_half_written_is_gone_when_its_next_try_ends(killed):
    folder, done = killed
    tried_again = ["random", *(f"step{number}" for number in range(done["changes"]))]
    for name in tried_again:  # the forced runs were not
        assert (folder / name).is_dir()
        assert [path.name for path in (folder / name).rglob("*.tmp")] == []


def test_a_forced_run_killed_before_any_change_leaves_the_old_unit_or_the_new(killed):
    """Record, curves and logits are of one run, whichever."""
    folder, done = killed
    assert done["forced"] >= (73 if MANY else 20)
    old = unit_files(Store(folder / "replaced"))
    seen = set()
    for number in range(done["forced"]):
        found = unit_files(Store(folder / f"forced{number}"))
        assert found.keys() == old.keys()
        for method, files in found.items():
            own = [files[kind] == old[method][kind] for kind in ("record", "curves")]
            assert own in ([True, True], [False, False])
            seen.add(own[0])
    assert seen == {True, False}


def unit_files(store: Store) -> dict[str, dict[str, str]]:
    """The record and the files that are found by the hashes in it, as hashes, by method."""
    units = {}
    for record in store.records():
        paths = {kind: file_of(store, record, kind) for kind in ("curves", "logits")}
        sums = {kind: sha256(path.read_bytes()) for kind, path in paths.items()}
        assert sums == record.files
        units[record.method] = {**sums, "record": sha256(store.content(Cell.of(record)))}
    assert not store.problems
    return units
