"""The ledger: every reported cell and every claimed gain with what the records say of it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval
from ltbench.statistics.inference import paired_t, sign_flip
from ltbench.statistics.verdict import (
    Evidence,
    Verdict,
    gain,
    gain_tolerance,
    judge_together,
    value,
)
from ltbench.tables.cells import Reader, ResolvedColumn, Scores, scores
from ltbench.tables.claims import Claim
from ltbench.tables.definition import Row, Table
from ltbench.tables.metrics import METRICS, Metric
from ltbench.tables.missing import not_here

FAST = "fast"  # the proxy that is shown where there are several
NOT_RUN = Verdict("not run")

Methods = Collection[str] | None


@dataclass(frozen=True)
class LedgerRow:
    """One reported value; of a claim, `over` is what the gain is counted from."""

    kind: str  # cell or claim
    paper: str
    table: str
    row: str  # of a claim, its words
    column: str
    dataset: str
    network: str
    metric: Metric
    specification: str | None
    over: str | None
    reported: float
    tolerance: float | None
    decimals: int
    tier: str = "not run"  # or exact, or proxy
    protocol: str | None = None
    seeds: tuple[int, ...] = ()
    reproduced: Estimate | None = None
    comparison: Evidence | None = None  # where the protocol is the paper's own
    p_holm: float | None = None  # over the judged values of the same table and column
    p_paired: float | None = None  # of a claim: of no gain at all
    p_flip: float | None = None
    verdict: Verdict = NOT_RUN
    reason: str = ""  # why there is no verdict, where another run would not give one

    @property
    def difference(self) -> float | None:
        """Return reproduced - reported."""
        if self.reproduced is None or not METRICS[self.metric].comparable:
            return None
        return self.reproduced.mean - self.reported


@dataclass(frozen=True)
class Ledger:
    """All lines, and the records that do not read."""

    cells: tuple[LedgerRow, ...]
    claims: tuple[LedgerRow, ...]
    problems: tuple[str, ...]


def build(
    tables: Sequence[Table],
    claims: Iterable[Claim],
    store: Store,
    methods: Methods = None,
) -> Ledger:
    """Fill the ledger from a store; every seed that was run counts, not only the tables'.

    With the methods that this version has, lines that need another say so.
    """
    reader = Reader(store)
    cells = [
        _filled(line, _Question(table, head, (row,)), reader, methods)
        for table in tables
        for line, head, row in _cells(table)
    ]
    named = {table.short: table for table in tables}
    gains = [
        _filled(line, question, reader, methods)
        for line, question in (_claim(claim, named[claim.table]) for claim in claims)
    ]
    problems = tuple(dict.fromkeys(reader.problems))
    return Ledger(_judged(cells), _judged(gains), problems)


@dataclass(frozen=True)
class _Question:
    """What a line needs from the store: one row's scores, or the gain of one row on another."""

    table: Table
    head: ResolvedColumn
    rows: tuple[Row, ...]


def _cells(table: Table) -> Iterator[tuple[LedgerRow, ResolvedColumn, Row]]:
    for column in table.definition.columns:
        head = ResolvedColumn(column, table.network(column), table.protocol_name(column))
        for row in table.definition.rows:
            reported = table.value(row, column)
            if reported is not None:
                yield _line("cell", table, head, row, reported), head, row


def _claim(claim: Claim, table: Table) -> tuple[LedgerRow, _Question]:
    column = claim.column_in(table)
    head = ResolvedColumn(column, table.network(column), table.protocol_name(column))
    ours, base = claim.rows
    line = replace(
        _line("claim", table, head, ours, claim.gain),
        paper=claim.paper, row=claim.claim, over=base.method,
    )  # fmt: skip
    if line.tolerance is not None:
        line = replace(line, tolerance=gain_tolerance(claim.gain, line.tolerance))
    return line, _Question(table, head, (ours, base))


def _line(kind: str, table: Table, head: ResolvedColumn, row: Row, reported: float) -> LedgerRow:
    column = head.column
    return LedgerRow(
        kind, table.definition.paper or "", table.short, row.label, column.title, column.dataset,
        head.network, column.metric, row.method_on(column.data), None, reported,
        METRICS[column.metric].tolerance, table.decimals(column),
    )  # fmt: skip


def _filled(
    line: LedgerRow, question: _Question, reader: Reader, methods: Collection[str] | None
) -> LedgerRow:
    """Return a line with what the records give, over the seeds that all its rows have."""
    for head in _heads(reader.store, question):
        found = [_scores(reader, question.table, row, head) for row in question.rows]
        common = sorted(set.intersection(*map(set, found)))
        if common:
            values = [[each[seed] for seed in common] for each in found]
            return _measured(line, head, values, common)
    return replace(line, reason=_reason(question, methods))


def _scores(reader: Reader, table: Table, row: Row, head: ResolvedColumn) -> Scores:
    every = [seed for cell in head.cells(row, [0]) for seed in reader.store.seeds(cell)]
    return scores(reader, table, row, head, every)


def _heads(store: Store, question: _Question) -> Iterator[ResolvedColumn]:
    """Yield the column under the table's protocol, then under others that all rows ran with."""
    own = question.head
    yield own
    cells = [own.cells(row, [0]) for row in question.rows]
    names = set.intersection(*({n for c in each for n in store.protocols(c)} for each in cells))
    for name in sorted(names - {own.protocol}, key=lambda name: (name != FAST, name)):
        yield replace(own, protocol=name)


def _measured(
    line: LedgerRow, head: ResolvedColumn, values: list[list[float]], common: list[int]
) -> LedgerRow:
    ours, *rest = values
    gains = [a - b for a, b in zip(ours, *rest, strict=True)] if rest else ours
    line = replace(
        line, tier="exact" if head.exact else "proxy", protocol=head.protocol, seeds=tuple(common),
        reproduced=mean_interval(gains), verdict=Verdict("proxy"),
    )  # fmt: skip
    if rest:
        line = replace(line, p_paired=paired_t(gains), p_flip=sign_flip(gains))
    if not head.exact:
        return line
    if line.tolerance is None:
        return replace(line, reason="it depends on the machine")
    compared = (
        gain(line.reported, ours, rest[0], line.tolerance)
        if rest
        else value(line.reported, ours, line.tolerance)
    )
    return replace(line, comparison=compared)


def _judged(lines: list[LedgerRow]) -> tuple[LedgerRow, ...]:
    """Return the lines with their verdicts; those of a table's column are judged together."""
    families: dict[tuple[str, str], list[int]] = {}
    for place, line in enumerate(lines):
        if line.comparison is not None:
            families.setdefault((line.table, line.column), []).append(place)
    judged = list(lines)
    for places in families.values():
        compared = [each for place in places if (each := lines[place].comparison) is not None]
        for place, found in zip(places, judge_together(compared), strict=True):
            judged[place] = replace(lines[place], verdict=found.verdict, p_holm=found.p_holm)
    return tuple(judged)


def _reason(question: _Question, methods: Methods) -> str:
    rows, data = question.rows, question.head.column.data
    for row in rows:
        if row.reason is not None:
            return row.reason
    if not data.available:
        return f"{data.info.title} cannot be read yet"
    wanted = [method for row in rows if (method := row.method_on(data)) is not None]
    return "" if methods is None else not_here(wanted, methods)
