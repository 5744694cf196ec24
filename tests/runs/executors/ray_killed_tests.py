"""Workers, raylets and the command killed at random on a Ray cluster: every record, and no other.

`nox -s attack` kills 50 times over 40 cells, `nox -s ray` a few times over a few.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from ray_cluster import add_node, head

from ltbench.runs.store import Cell, Store

MANY = int(os.environ.get("LTBENCH_ATTACKS", "1")) > 1
KILLS, SEEDS = (50, 20) if MANY else (6, 3)  # cells are two methods at so many seeds
PROTOCOL = "fast(epochs=8, warmup_epochs=1, fraction=0.3)"
RUN = (
    sys.executable, "-c", "from ltbench.cli import main; main()", "run",
    "--methods", "ce,focal", "--dataset", "digits_lt", "--protocol", PROTOCOL,
    "--seeds", str(SEEDS), "--device", "cpu", "--quiet", "--retries", "1000",
)  # fmt: skip
SECONDS = 300  # in which something has to go on


class Attacked:
    """A cluster with a head that runs nothing and two nodes, and a run command on it."""

    def __init__(self, results: Path) -> None:
        self.results, self.kills = results, Counter[str]()
        self.cluster = head()
        self.nodes = [add_node(self.cluster), add_node(self.cluster)]
        self.command = self.begin()

    def kill(self, dice: random.Random) -> None:
        """Kill a worker; now and then a raylet, or the command, which are begun again."""
        kind = dice.choice(["worker", "worker", "worker", "raylet", "command"])
        workers = self._workers()
        if kind == "worker" and not workers:
            kind = "command"
        if kind == "worker":
            os.kill(dice.choice(workers), signal.SIGKILL)
        elif kind == "raylet":
            self.cluster.remove_node(self.nodes.pop(dice.randrange(2)), allow_graceful=False)
            self.nodes.append(add_node(self.cluster))
        else:
            self.command.kill()
            self.command.wait()
            self.command = self.begin()
        self.kills[kind] += 1

    def progress(self) -> int:
        """Return what changes with every record, and as trainings go on."""
        found = [*self.results.glob("work/*/under_way.json"), *self.results.rglob("seed*.json")]
        return hash(tuple(sorted((str(path), _stamp(path)) for path in found)))

    def end(self) -> None:
        """End what still runs."""
        self.command.kill()
        self.command.wait()
        self.cluster.shutdown()

    def begin(self) -> subprocess.Popen:
        """Give the command."""
        words = ["--executor", f"ray:{self.cluster.address}", "--results", str(self.results)]
        return subprocess.Popen([*RUN, *words], stdout=subprocess.DEVNULL)

    def _workers(self) -> list[int]:
        """Return the process numbers of workers that are at a task, as Linux's /proc has them."""
        raylets = [each.process.pid for node in self.nodes for each in node.all_processes["raylet"]]
        found = []
        for raylet in raylets:
            children = _read(Path(f"/proc/{raylet}/task/{raylet}/children")).split()
            found += [int(each) for each in children]
        return [each for each in found if b"ray::_work" in _read(Path(f"/proc/{each}/cmdline"))]


def _stamp(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # it has gone
        return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def test_workers_raylets_and_commands_killed_at_random_leave_every_record_once(tmp_path, lasting):
    dice, results = random.Random(0), tmp_path / "killed"
    attacked = Attacked(results)
    try:
        while attacked.kills.total() < KILLS and attacked.command.poll() is None:
            before, until = attacked.progress(), time.monotonic() + SECONDS
            while attacked.progress() == before and attacked.command.poll() is None:
                assert time.monotonic() < until, "nothing goes on"
                time.sleep(0.1)
            time.sleep(dice.uniform(0, 0.5))
            attacked.kill(dice)
        assert attacked.command.wait() == 0
    finally:
        attacked.end()
    counts = {"cells": 2 * SEEDS, "kills": attacked.kills.total(), **attacked.kills}
    if target := os.environ.get("LTBENCH_ATTACK_COUNTS"):
        Path(target).with_suffix(".ray.json").write_text(json.dumps(counts) + "\n")
    print(counts)
    assert attacked.kills.total() == KILLS
    whole = tmp_path / "whole"
    assert subprocess.run([*RUN, "--results", str(whole)], check=False).returncode == 0
    found = Store(results)
    records = {Cell.of(record): lasting(record) for record in found.records()}
    assert len(records) == len(list(results.rglob("seed*.json"))) == 2 * SEEDS
    assert records == {Cell.of(record): lasting(record) for record in Store(whole).records()}
    assert found.problems == []
    if MANY:
        assert min(attacked.kills[kind] for kind in ("worker", "raylet", "command")) > 0
