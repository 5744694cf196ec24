"""Workers and the command that has them, killed at random: every record, and no other.

`nox -s attack` kills 50 times over 40 cells; otherwise it is a few times over a few.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ltbench.runs.store import Cell, Store

MANY = int(os.environ.get("LTBENCH_ATTACKS", "1")) > 1
KILLS, SEEDS = (50, 20) if MANY else (6, 3)  # cells are two methods at so many seeds
PROTOCOL = "fast(epochs=8, warmup_epochs=1, fraction=0.3)"
RUN = (
    sys.executable, "-c", "from ltbench.cli import main; main()", "run",
    "--methods", "ce,focal", "--dataset", "digits_lt",
    "--protocol", PROTOCOL, "--seeds", str(SEEDS), "--device", "cpu", "--json", "--retries", "1000",
)  # fmt: skip


class Command:
    """A run command, and what it said so far."""

    def __init__(self, results: Path) -> None:
        self.process = subprocess.Popen(
            [*RUN, "--jobs", "2", "--results", str(results)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1,
        )  # fmt: skip

    def progress(self) -> bool:
        """Wait for an epoch or a record of any training; returns whether there was one."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if json.loads(line).get("event") in ("epoch", "finished"):
                return True
        return False

    def end(self) -> int:
        """Wait for its end, not for that of its workers, and return its exit code."""
        assert self.process.stdout is not None
        code = self.process.wait()
        self.process.stdout.close()
        return code

    def workers(self) -> list[int]:
        """Return the process numbers of its workers, as Linux's /proc has them."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        commands = {int(each): Path(f"/proc/{each}/cmdline") for each in children}
        return [each for each, path in commands.items() if b"spawn_main" in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.mark.slow
def test_workers_and_commands_killed_at_random_leave_every_record_once(tmp_path, lasting):
    dice, kills, killed_commands, results = random.Random(0), 0, 0, tmp_path / "killed"
    command = Command(results)
    while kills < KILLS and command.progress():
        time.sleep(dice.uniform(0, 0.5))
        workers = command.workers()
        if kills % 5 == 2 or not workers:
            command.process.kill()
            command.end()
            command, killed_commands = Command(results), killed_commands + 1
        else:
            os.kill(dice.choice(workers), signal.SIGKILL)
        kills += 1
    while command.progress():
        pass
    assert command.end() == 0
    assert kills == KILLS
    assert killed_commands > 0
    assert subprocess.run([*RUN, "--results", str(tmp_path / "whole")], check=False).returncode == 0
    found, whole = Store(results), Store(tmp_path / "whole")
    records = {Cell.of(record): lasting(record) for record in found.records()}
    assert len(records) == 2 * SEEDS
    undisturbed = {Cell.of(record): lasting(record) for record in whole.records()}
    assert records == undisturbed
    assert not list(results.rglob("*.failed.json"))
    assert found.problems == []
