"""The command that fills cells, as a user types it, and the seeds it names. Imports no torch."""

import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from ltbench.data.catalog import Dataset
from ltbench.errors import UsageError

RESULTS = Path("results")
MAX_SEEDS = 10_000


def run_command(
    methods: Iterable[str],
    data: Dataset,
    network: str,
    protocol: str,
    seeds: Sequence[int],
    *,
    results: Path,
) -> str:
    """Return `ltbench run …`, with only the options that differ from their defaults."""
    words = ["--dataset", str(data)]
    if data.profile == "exponential" and not data.info.listed:
        words = ["--dataset", data.info.name, "--imbalance", data.ratio]
    if data.info.file is not None:
        words = ["--data", str(data.info.file), *words]
    if network != data.info.network:
        words += ["--network", network]
    if protocol != data.info.protocol:
        words += ["--protocol", protocol]
    listed = ",".join(map(str, seeds))
    words += ["--seeds", listed if len(seeds) > 1 else f"{listed},"]  # a bare 4 means 0 to 3
    if results != RESULTS:
        words += ["--results", str(results)]
    named = _quoted(",".join(dict.fromkeys(methods)))
    return f"ltbench run --methods {named} {shlex.join(words)}"


def of_results(command: str, results: Path) -> str:
    """Return a command with the folder of results, where that is not the usual one."""
    return command if results == RESULTS else f"{command} --results {shlex.quote(str(results))}"


def seeds_of(text: str) -> list[int]:
    """Return `3` as [0, 1, 2] and `0,4` as [0, 4]; raises UsageError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts if part):
        raise UsageError(f"--seeds {text}: {_instead(text)}")
    numbers = [int(part) for part in parts if part]
    if "," not in text:
        if numbers and numbers[0] > MAX_SEEDS:
            raise UsageError(f"--seeds {text}: that is too many; give at most {MAX_SEEDS}.")
        numbers = list(range(numbers[0])) if numbers else []
    if not numbers:
        raise UsageError(
            f"--seeds {text}: give at least one seed, such as 1 or 0,4; seed 0 alone is --seed 0."
        )
    return list(dict.fromkeys(numbers))


def _instead(text: str) -> str:
    """Return what to give instead of seeds that do not read."""
    if found := re.fullmatch(r"\s*(\d{1,4})\s*(?:-|:|\.\.)\s*(\d{1,4})\s*", text):
        first, last = map(int, found.groups())
        if first < last < first + 20:
            return f"write {','.join(map(str, range(first, last + 1)))} for that."
    return "give a count such as 3 or a list such as 0,4."


def _quoted(text: str) -> str:
    """Return text as a shell's word; specifications with quotes in them stay readable."""
    return f'"{text}"' if "'" in text and not set(text) & set('"$`\\!') else shlex.quote(text)
