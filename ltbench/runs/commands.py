"""The command that fills cells, as a user types it. Imports no torch."""

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from ltbench.data.catalog import Dataset

RESULTS = Path("results")


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
    words = ["--dataset", data.info.name, "--imbalance", data.ratio]
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


def _quoted(text: str) -> str:
    """Return text as a shell's word; specifications with quotes in them stay readable."""
    return f'"{text}"' if "'" in text and not set(text) & set('"$`\\!') else shlex.quote(text)
