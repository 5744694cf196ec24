"""The ledger as the report shows it: counts, lines, and papers' tables laid out as printed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from ltbench.report.settings import MethodRuns, ReportRuns
from ltbench.statistics.estimates import mean_interval
from ltbench.statistics.verdict import VerdictWord
from ltbench.tables.cells import MARK, score_of
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.ledger import Ledger
from ltbench.tables.ledger_row import LedgerRow
from ltbench.tables.metrics import METRICS
from ltbench.tables.reported import printed
from ltbench.tables.write.ledger import SAME_CLASSES, WORDS, reproduced, row_name, signed

CLAIMS = "claims"  # in the place of a table's name

# What each word means, in the words of docs/verdicts.md.
MEANINGS: dict[VerdictWord, str] = {
    "holds": "our mean and its 95 % interval lie within the tolerance around the reported value",
    "differs": "our mean lies farther from it than the tolerance and chance allow",
    "undecided": "the seeds so far allow neither; where more would decide, their number is given",
    "proxy": "there are records, but of another protocol than the paper's, or of another machine",
    "not run": "there are no records",
    "cannot run": "this version lacks the method, or cannot read the data",
}


@dataclass(frozen=True)
class VerdictCount:
    """How many of a table's reported values got which verdict."""

    paper: str
    table: str
    title: str
    shown: bool  # whether the table has a section of its own
    words: dict[VerdictWord, int]

    @property
    def key(self) -> str:
        """Return the id of that section."""
        return _key(self.table)

    @property
    def total(self) -> int:
        """Return the number of reported values."""
        return sum(self.words.values())


@dataclass(frozen=True)
class PageCell:
    """A reported value, or an empty place of a table, as text and as what columns sort by."""

    reported: str = ""
    reproduced: str = ""
    seeds: tuple[int, ...] = ()
    difference: str = ""
    word: str = ""
    verdict: str = ""
    reason: str = ""
    runs: tuple[MethodRuns, ...] = ()  # whose records it is made from
    about: str = ""
    beside: str = ""  # what else is said of the verdict: readings, and a gain on the same classes
    keys: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PageLine:
    """A line of the ledger with its cell."""

    line: LedgerRow
    cell: PageCell


@dataclass(frozen=True)
class Sheet:
    """A table as the paper lays it out."""

    table: Table
    rows: tuple[tuple[TableRow, tuple[PageCell, ...]], ...]

    @property
    def key(self) -> str:
        """Return the id of the table in the page."""
        return _key(self.table.short)

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Return the titles above neighbouring columns, and of how many."""
        titles = [column.group or "" for column in self.table.definition.columns]
        return [(title, len(list(members))) for title, members in groupby(titles)]


def counts(tables: Sequence[Table], ledger: Ledger) -> list[VerdictCount]:
    """Return the verdicts on every table's cells, and last on the claims."""
    found = []
    for table in tables:
        lines = [line for line in ledger.cells if line.table == table.short]
        definition = table.definition
        found.append(
            VerdictCount(
                definition.paper or "", table.short, definition.title, _run(lines), _words(lines)
            )
        )
    claims = _words(ledger.claims)
    return [
        *found,
        VerdictCount("all papers", CLAIMS, "Claims about gains", bool(ledger.claims), claims),
    ]


def entries(
    lines: Sequence[LedgerRow], runs: ReportRuns, tables: Sequence[Table]
) -> list[PageLine]:
    """Return lines of the ledger with what the page shows of them."""
    runs_of = _runs_of(runs)
    first = {table.short: table.definition.rows[0] for table in tables}
    return [PageLine(line, _cell(line, runs_of, first[line.table])) for line in lines]


def sheets(tables: Sequence[Table], found: Sequence[PageLine], runs: ReportRuns) -> list[Sheet]:
    """Return the tables of which at least one reported cell has records."""
    runs_of = _runs_of(runs)
    made = []
    for table in tables:
        own = [entry for entry in found if entry.line.table == table.short]
        if _run([entry.line for entry in own]):
            cells = {_corner(entry.line): entry.cell for entry in own}
            columns = table.definition.columns
            rows = tuple(
                (row, tuple(_at(table, row, column, cells, runs_of) for column in columns))
                for row in table.definition.rows
            )
            made.append(Sheet(table, rows))
    return made


_RunsOf = dict[tuple[str, str, str, str], MethodRuns]
_Cells = dict[tuple[str, str, str, str], PageCell]


def _at(table: Table, row: TableRow, column: Column, cells: _Cells, runs_of: _RunsOf) -> PageCell:
    corner = (row.label, column.dataset, table.network(column), column.metric)
    return cells[corner] if corner in cells else _unreported(table, row, column, runs_of)


def _key(table: str) -> str:
    return "claims" if table == CLAIMS else f"table-{table}"


def _run(lines: Sequence[LedgerRow]) -> bool:
    return any(line.reproduced is not None for line in lines)


def _words(lines: Sequence[LedgerRow]) -> dict[VerdictWord, int]:
    found = Counter(line.verdict.word for line in lines)
    return {word: found[word] for word in WORDS}


def _runs_of(runs: ReportRuns) -> _RunsOf:
    firsts = [(each, each.records[0]) for each in runs.methods]
    return {(r.dataset, r.network, r.protocol, r.method): each for each, r in firsts}


def _corner(line: LedgerRow) -> tuple[str, str, str, str]:
    return line.row, line.dataset, line.network, line.metric


def _cell(line: LedgerRow, runs_of: _RunsOf, first: TableRow) -> PageCell:
    gain = line.kind != "cell"
    keys = {"reported": line.reported}
    cell = PageCell(
        reported=printed(line.reported, line.decimals, "+" if gain else ""),
        word=line.verdict.word,
        verdict=f"proxy ({line.protocol})" if line.tier == "proxy" else str(line.verdict),
        reason=line.reason, keys=keys, beside=_beside(line),
    )  # fmt: skip
    if line.reproduced is None:
        return cell
    methods = [line.specification, line.over]
    if METRICS[line.metric].over is not None:
        methods.append(first.method)
    cells = [(line.dataset, line.network, line.protocol or "", each or "") for each in methods]
    keys["reproduced"] = line.reproduced.mean
    difference = line.difference
    if difference is not None:
        keys["difference"] = difference
    text = reproduced(line)
    return replace(
        cell, reproduced=signed(text) if gain else text,
        seeds=line.seeds, about=f"{row_name(line)}, {line.column}",
        difference="" if difference is None else f"{difference:+z.{line.decimals}f}",
        runs=tuple(dict.fromkeys(runs_of[key] for key in cells if key in runs_of)),
    )  # fmt: skip


def _beside(line: LedgerRow) -> str:
    words, gain = [line.other_readings], line.same_classes
    if gain is not None:
        words.append(f"{SAME_CLASSES}: {signed(gain.text(line.decimals))} (n = {gain.n})")
    return "; ".join(filter(None, words))


def _unreported(table: Table, row: TableRow, column: Column, runs_of: _RunsOf) -> PageCell:
    """Return the cell of a value that the paper does not report: ours, where there are records."""
    metric = METRICS[column.metric]
    method = row.method_on(column.data) or ""
    key = (column.dataset, table.network(column), table.protocol_name(column), method)
    found = runs_of.get(key)
    if found is None or metric.over is not None:
        return PageCell()
    values = {
        record.seed: value
        for record in found.records
        if record.seed in table.definition.seeds
        and (value := score_of(record, row, column.metric, table.definition.select)) is not None
    }
    if not values:
        return PageCell()
    estimate = mean_interval(list(values.values()))
    text = estimate.text(table.decimals(column))
    return PageCell(
        reproduced=f"{text} {MARK}" if found.transductive else text,
        seeds=tuple(values), runs=(found,),
        about=f"{row.label}, {column.title}", keys={"reproduced": estimate.mean},
    )  # fmt: skip
