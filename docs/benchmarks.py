"""Keep what the benchmarks measured.

    nox -s benchmarks -- --benchmark-json=FILE
    python docs/benchmarks.py FILE

writes docs/benchmarks.csv, whose figures `docs/rebuild.py` puts on docs/cost.md. A benchmark that
failed is in FILE too: its figure stands on the page beside the limit that it misses.
"""

import json
import sys
from pathlib import Path

from ltbench.runs.files import csv_text, write_text

FIGURES = Path(__file__).with_name("benchmarks.csv")
COLUMNS = ("benchmark", "what", "value", "at_most", "at_least")


def rows(measured: dict) -> list[tuple[str, ...]]:
    """Return a row of every figure in what pytest-benchmark wrote, in its order."""
    found = []
    for benchmark in measured["benchmarks"]:
        module = Path(benchmark["fullname"].partition("::")[0]).stem.removeprefix("test_")
        for figure in benchmark["extra_info"].get("figures", []):
            value, *limits = (figure[key] for key in COLUMNS[2:])
            shown = ("" if limit is None else f"{limit:g}" for limit in limits)
            found.append((module, figure["what"], f"{value:.4g}", *shown))
    return found


if __name__ == "__main__":
    measured = json.loads(Path(sys.argv[1]).read_text())
    write_text(FIGURES, csv_text([COLUMNS, *rows(measured)]))
