"""Results of analyses: one tidy CSV a run and analysis, what determines it in lines before.

    results/analyses/<dataset>/<protocol>/<network>/<method>/<analysis>/seed0.csv
    …/seed0.part.jsonl      the parts that are done, while others are not

Imports no torch: figures and tables read them.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ltbench.errors import LtbenchError
from ltbench.runs.files import csv_text, write_text
from ltbench.runs.store import Cell, Store, slug

ResultRow = dict[str, Any]
Header = dict[str, str]
_PASSING = ("ltbench", "torch", "device", "seconds")  # of a header: may differ between sessions


@dataclass(frozen=True)
class Result:
    """The rows of one analysis of one run, and what determines them."""

    header: Header
    rows: list[ResultRow]

    def where(self, **fixed: Any) -> list[ResultRow]:
        """Return the rows whose columns have these values."""
        return [
            row for row in self.rows if all(row.get(key) == value for key, value in fixed.items())
        ]


@dataclass
class FinishedParts:
    """The parts of an analysis that are done, kept in a file of their own until all are."""

    path: Path
    header: Header
    done: dict[str, list[ResultRow]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, header: Header) -> "FinishedParts":
        """Return the finished parts; none where they were of other weights or another analysis."""
        found = cls(path.with_suffix(".part.jsonl"), header)
        if not found.path.exists():
            return found
        try:
            first, *lines = found.path.read_text().splitlines()
            if lasting(json.loads(first)) == lasting(header):
                found.done = {(part := json.loads(line))["part"]: part["rows"] for line in lines}
        except (ValueError, KeyError, TypeError):
            found.done = {}  # half a line, of a writer that was killed before files were whole
        return found

    def add(self, part: str, rows: list[ResultRow]) -> None:
        """Keep a part's rows."""
        self.done[part] = rows
        lines = [self.header, *({"part": name, "rows": r} for name, r in self.done.items())]
        write_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))

    def finish(self, order: Sequence[str], path: Path, seconds: float) -> Result:
        """Write the CSV and remove the file of parts."""
        rows = [row for part in order for row in self.done[part]]
        result = Result({**self.header, "seconds": f"{seconds:.0f}"}, rows)
        write_text(path, as_csv(result))
        self.path.unlink(missing_ok=True)
        return result


def lasting(header: Header) -> Header:
    """Return the fields of a header in which two equal results agree."""
    return {key: value for key, value in header.items() if key not in _PASSING}


def as_csv(result: Result) -> str:
    """Return a result as CSV behind a line `# name: value` for all that determines it."""
    columns = list(dict.fromkeys(name for row in result.rows for name in row))
    above = "".join(f"# {name}: {value}\n" for name, value in result.header.items())
    return above + csv_text(
        [columns, *([_text(row.get(c)) for c in columns] for row in result.rows)]
    )


def _text(value: Any) -> Any:
    return f"{value:.7g}" if isinstance(value, float) else value


def read(path: Path) -> Result:
    """Return the result in a file; raises LtbenchError for one that is damaged."""
    try:
        lines = path.read_text().splitlines(keepends=True)
        above = [line for line in lines if line.startswith("# ")]
        header = dict(line[2:].rstrip("\n").split(": ", 1) for line in above)
        rows = list(csv.DictReader(io.StringIO("".join(lines[len(above) :]))))
        if not rows or "analysis" not in header or any(None in row.values() for row in rows):
            raise ValueError("it has no rows, or half of one")
    except (OSError, ValueError, csv.Error) as error:
        raise LtbenchError(f"{path} does not read ({error}); analyse the run again.") from None
    return Result(header, [{key: _value(text) for key, text in row.items()} for row in rows])


def _value(text: str) -> Any:
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def path_of(store: Store, cell: Cell, analysis: str) -> Path:
    """Return where the result of an analysis of a cell lies."""
    inside = store.path(cell).relative_to(store.root / "runs").parent
    return _root(store) / inside / slug(analysis) / f"seed{cell.seed}.csv"


def results_by_seed(store: Store, cell: Cell, analysis: str) -> dict[int, Result]:
    """Return the results of an analysis by seed, all else being the cell's."""
    paths = _files(path_of(store, cell, analysis).parent)
    found = {int(path.stem.removeprefix("seed")): read(path) for path in paths}
    return dict(sorted(found.items()))


def all_results(store: Store, analysis: str) -> list[Result]:
    """Return the results of an analysis with any settings, of all runs; files by their paths."""
    return [read(path) for path in _files(_root(store)) if _is_of(path.parent.name, analysis)]


def _root(store: Store) -> Path:
    return store.root / "analyses"


def _files(folder: Path) -> list[Path]:
    """Return the results below a folder, in the order of their paths."""
    return sorted(folder.rglob("seed*.csv"))


def _is_of(folder: str, analysis: str) -> bool:
    return folder == analysis or folder.startswith(f"{analysis}-")
