"""Rebuild what the committed records and figures say: results/tables, and their parts of pages.

    python docs/rebuild.py

A test requires that this changes nothing.
"""

import csv
import io
import os
import re
import shutil
import tempfile
from contextlib import chdir, redirect_stdout
from pathlib import Path

from ltbench.figures.definition import figures as figures_named
from ltbench.figures.gains import gains, gains_table
from ltbench.figures.style import style
from ltbench.runs.files import write_text
from ltbench.runs.record import Record
from ltbench.runs.store import Store
from ltbench.specification import split
from ltbench.statistics.estimates import Estimate
from ltbench.tables.claims import load_claims
from ltbench.tables.comparison import compare
from ltbench.tables.definition import Table, load
from ltbench.tables.grid import grid_of
from ltbench.tables.ledger import ledger_of, with_readings
from ltbench.tables.ledger_claims import with_reading_notes
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.reported import printed
from ltbench.tables.shipped import shipped
from ltbench.tables.write.comparison import comparison_table
from ltbench.tables.write.files import write
from ltbench.tables.write.ledger import SAME_CLASSES, as_csv, signed

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "docs/cost.md",
    "docs/findings.md",
    "docs/multilabel.md",
    "docs/short_runs.md",
)
BENCHMARKS = re.compile(r"(<!-- benchmarks: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
GAINS = re.compile(r"(<!-- gains: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
VERDICTS = re.compile(r"(<!-- verdicts: ([^>]*) -->\n).*?(<!-- end -->)", re.DOTALL)
CLAIMS = re.compile(r"(<!-- claims: ([^>]*) -->\n).*?(<!-- end -->)", re.DOTALL)
EXECUTED = "docs/python.md"
CODE = re.compile(r"^```python\n(.*?)^```\n(?:\n^```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"(<!-- comparison: ([^>]*) -->\n).*?(<!-- end -->)", re.DOTALL)


def page(text: str, store: Store) -> str:
    """Return a page's text with every block made anew.

    A benchmarks block names a file of tests/benchmarks, without `test_`; a gains block a figure; a
    verdicts block a table and one of its columns; a claims block a paper and perhaps a data set. A
    comparison block names data set, network, protocol and, after a colon, methods; the first is
    what the others are compared to.
    Without methods it has all there are: plain training, then by accuracy, with their ranks and
    what they cost.
    """
    records = list(store.records())
    costs = measured_costs(store.root / "costs.csv")

    def made(block: re.Match[str]) -> str:
        setting, _, names = block[2].partition(": ")
        here = [r for r in records if f"{r.dataset} {r.network} {r.protocol}" == setting]
        methods = split(names) or ["ce", *_by_accuracy(here)]
        chosen = [r for name in dict.fromkeys(methods) for r in here if r.method == name]
        (comparison,) = compare(chosen)
        return f"{block[1]}\n{comparison_table(comparison, None if names else costs)}\n\n{block[3]}"

    def judged(block: re.Match[str]) -> str:
        name, _, column = block[2].partition(": ")
        return f"{block[1]}\n{verdicts(name, column, store)}\n\n{block[3]}"

    def claimed(block: re.Match[str]) -> str:
        paper, _, dataset = block[2].partition(": ")
        return f"{block[1]}\n{claims(paper, dataset, store)}\n\n{block[3]}"

    def benchmarked(block: re.Match[str]) -> str:
        return f"{block[1]}\n{figures(block[2], ROOT / 'docs' / 'benchmarks.csv')}\n\n{block[3]}"

    def gained(block: re.Match[str]) -> str:
        (figure,) = figures_named(block[2])
        assert figure.table is not None
        return f"{block[1]}\n{gains_table(gains(figure, figure.table, store))}\n\n{block[3]}"

    text = CLAIMS.sub(claimed, GAINS.sub(gained, BENCHMARKS.sub(benchmarked, text)))
    return VERDICTS.sub(judged, BLOCK.sub(made, text))


def executed(text: str, results: Path, folder: Path) -> str:
    """Return a page's text with what its Python blocks print, run in order on a results folder.

    They find the results under that name in `folder`, a new one, where their files stay.
    """
    (folder / "results").symlink_to(results.resolve())
    names: dict[str, object] = {}

    def run(block: re.Match[str]) -> str:
        said = io.StringIO()
        with redirect_stdout(said):
            exec(compile(block[1], EXECUTED, "exec"), names)
        code = f"```python\n{block[1]}```\n"
        return f"{code}\n```text\n{said.getvalue()}```\n" if said.getvalue() else code

    with chdir(folder):
        return CODE.sub(run, text)


def verdicts(name: str, column: str, store: Store) -> str:
    """Return the rows of a table's column that have a specification, as the ledger judges them."""
    every = ledger_of([load(name)], None, store).cells
    lines = [line for line in every if line.column == column and line.specification]
    rows = [("row", "reported", "specification", "reproduced (n, protocol)", "verdict")]
    rows.append(("---", "--:", "---", "--:", "---"))
    for line in lines:
        reported = printed(line.reported, line.decimals)
        rows.append((line.row, reported, f"`{line.specification}`", _ours(line), str(line.verdict)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def claims(paper: str, dataset: str, store: Store) -> str:
    """Return the gains that a paper claims, as the ledger judges them.

    Those in top-1 on a data set, or all that have run by the paper's protocol.
    """
    every = [load(name) for name in sorted(shipped())]
    rows = [
        ("claim (table)", "over", "reported", "ours (n, protocol)", "interval contains", "verdict")
    ]
    rows.append(("---", "---", "--:", "--:", "---", "---"))
    for line in with_readings(ledger_of(every, load_claims(every), store)):
        exact = line.tier == "exact"
        asked = (line.dataset, line.metric) == (dataset, "top1") if dataset else exact
        if line.paper == paper and asked:
            compared = f"`{line.specification}` over `{line.over}`"
            reported = f"{line.reported:+.{line.decimals}f}"
            words = f"… read as: {line.reading}" if line.reading else line.row
            claim = f"{words} ({line.table})"
            whole = ": ".join(filter(None, (str(line.verdict), line.reason)))
            verdict = "; ".join(filter(None, (whole, line.other_readings)))
            rows.append((claim, compared, reported, signed(_ours(line)), _within(line), verdict))
            if gain := line.same_classes:
                ours = f"{signed(gain.text(line.decimals))} ({gain.n}, {line.protocol})"
                rows.append((f"… {SAME_CLASSES}", compared, "--", ours, _zero(gain), "--"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _within(line: LedgerRow) -> str:
    """Return which of no gain (0) and the claimed one a gain's interval contains, if it has one.

    Between methods whose classes are grouped otherwise a difference of 0 is not no gain.
    """
    if line.reproduced is None or line.reproduced.half_width is None:
        return "--"
    low, high = line.reproduced.ends(-100, 100)
    claimed = f"{line.reported:+.{line.decimals}f}"
    is_in = low <= line.reported <= high
    if line.p_gain is None:
        return claimed if is_in else f"not {claimed}"
    return " and ".join(["0"] * (low <= 0 <= high) + [claimed] * is_in) or "neither"


def _zero(gain: Estimate) -> str:
    """Return whether a gain's interval contains no gain, where it has one."""
    if gain.half_width is None:
        return "--"
    return "0" if abs(gain.mean) <= gain.half_width else "not 0"


def _ours(line: LedgerRow) -> str:
    if line.reproduced is None:
        return "--"
    return f"{line.reproduced} ({line.reproduced.n}, {line.protocol})"


def figures(benchmark: str, path: Path) -> str:
    """Return what a benchmark measured beside its limits; a figure that misses one is bold."""
    lines = ["| what | measured | limit |", "| --- | --: | --: |"]
    with path.open() as file:
        for row in csv.DictReader(file):
            if row["benchmark"] != benchmark:
                continue
            value, (most, least) = float(row["value"]), (row["at_most"], row["at_least"])
            missed = (most and value > float(most)) or (least and value < float(least))
            shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
            limit = f"at most {most}" if most else f"at least {least}" if least else ""
            lines.append(f"| {row['what']} | {f'**{shown}**' if missed else shown} | {limit} |")
    return "\n".join(lines)


def _by_accuracy(records: list[Record]) -> list[str]:
    (comparison,) = compare(records)
    ranked = sorted(comparison.lines, key=lambda line: line.headline.mean, reverse=True)
    return [line.method for line in ranked]


def measured_costs(path: Path) -> dict[str, str]:
    """Return what `docs/measure.py` found, by method."""
    with path.open() as file:
        return {row["method"]: row["cost"] for row in csv.DictReader(file)}


def tables(store: Store, folder: Path) -> list[Path]:
    """Write every shipped table, and those with a data set to run under `fast` too."""
    return [
        path
        for table in map(load, sorted(shipped()))
        for protocol in ((None, "fast") if _runs(table) else (None,))
        for path in write(with_reading_notes(grid_of(table, store, protocol), store), folder)
    ]


def ledger(store: Store, folder: Path) -> Path:
    """Write the ledger of every shipped table and claim; return the file.

    It does not say which methods there are, so that adding one changes no committed file.
    """
    every = [load(name) for name in sorted(shipped())]
    write_text(folder / "ledger.csv", as_csv(ledger_of(every, load_claims(every), store)))
    return folder / "ledger.csv"


def _runs(table: Table) -> bool:
    return any(column.data.available for column in table.definition.columns)


if __name__ == "__main__":
    committed = Store(ROOT / "results")
    for path in (ROOT / name for name in PAGES):
        path.write_text(page(path.read_text(), committed))
    os.environ |= {"MPLBACKEND": "agg", "SOURCE_DATE_EPOCH": "0"}  # no window, no date
    with tempfile.TemporaryDirectory() as new, style():
        found = executed((ROOT / EXECUTED).read_text(), committed.root, Path(new))
        (ROOT / EXECUTED).write_text(found)
        for picture in Path(new).glob("*.svg"):
            shutil.copy(picture, ROOT / "docs" / "pictures")
    folder = ROOT / "results" / "tables"
    for written in (*tables(committed, folder), ledger(committed, folder)):
        print(written.relative_to(ROOT))
