"""Whether the output of Slurm's jobs appears in the results folder.

Slurm opens it there before it starts the job: where it does not appear, that node does not share
the folder, or cannot write it, and nothing that is trained there would come back.
"""

import time
from collections.abc import Iterable
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.executors.shared_folder import SHARE
from ltbench.runs.executors.slurm_queue import node_that_ran, running

FOLDER = "logs/slurm"
SECONDS_BETWEEN = 30.0  # two looks at what runs
SECONDS_TO_SHOW = 60.0  # that a shared file system may take to show a new file


class UnseenError(LtbenchError):
    """A node does not write into the results folder that the command has."""


class Outputs:
    """The output files of a command's jobs, each looked for until it has appeared."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: set[str] = set()
        self._missed: dict[str, float] = {}  # since when a job runs without
        self._looked = time.monotonic()

    def check(self, numbers: Iterable[str]) -> None:
        """Raise UnseenError where a job runs and has no output; looks every half minute."""
        now = time.monotonic()
        if now - self._looked < SECONDS_BETWEEN:
            return
        self._looked = now
        unseen = [number for number in numbers if not self._appeared(number)]
        nodes = running() if unseen else {}
        for number in unseen:
            if number not in nodes:
                self._missed.pop(number, None)
            elif now - self._missed.setdefault(number, now) >= SECONDS_TO_SHOW:
                raise self._error(number, nodes[number])

    def check_ended(self, number: str) -> None:
        """Raise UnseenError where a job that is over ran, and left no output."""
        node = None if self._appeared(number) else node_that_ran(number)
        if node is None:
            return
        until = time.monotonic() + SECONDS_TO_SHOW
        while not self._appeared(number):
            if time.monotonic() >= until:
                raise self._error(number, node)
            time.sleep(0.5)

    def _appeared(self, number: str) -> bool:
        if number not in self._seen and (self.root / FOLDER / f"{number}_0_log.out").exists():
            self._seen.add(number)
        return number in self._seen

    def _error(self, number: str, node: str) -> UnseenError:
        return UnseenError(
            f"{node} took Slurm job {number}, and its output does not appear in the results folder "
            f"{self.root}; {SHARE}"
        )
