"""The ledger: every reported cell and every claimed gain with what the records say of it."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ltbench.evaluation.selection import Selection
from ltbench.runs.store import Store
from ltbench.statistics.estimates import ALPHA, Estimate, mean_interval
from ltbench.statistics.gains import sign_flip
from ltbench.statistics.verdict import Evidence, Judged, Verdict, gain_tolerance, holm, judge
from ltbench.tables.cells import Reader, ResolvedColumn, SeedScores, scores
from ltbench.tables.claims import Claim
from ltbench.tables.columns import ColumnScores, judge_column, read_column
from ltbench.tables.definition import Table, TableRow
from ltbench.tables.metrics import METRICS, Metric
from ltbench.tables.missing import why_not_run
from ltbench.tables.reported import FROM_MEMORY, judgeable

FAST = "fast"  # the proxy that is shown where there are several
NOT_RUN = Verdict("not run")

Methods = Collection[str] | None


@dataclass(frozen=True)
class LedgerRow:
    """A reported value or claimed gain, ours, and the verdict; a gain is on the method `over`."""

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
    select: Selection  # which epoch's scores count
    tier: str = "not run"  # or exact, or proxy
    protocol: str | None = None
    seeds: tuple[int, ...] = ()
    reproduced: Estimate | None = None
    comparison: Evidence | None = None  # where the protocol is the paper's own
    family: int = 0  # values that are judged together: of the table's column, or all claims
    p_holm: float | None = None  # over the family
    p_gain: float | None = None  # of a claim: of no gain at all
    p_gain_holm: float | None = None  # over all claims
    p_flip: float | None = None
    superiority: tuple[float, float, float] | None = None  # of a claim: P(it shows), interval
    verdict: Verdict = NOT_RUN
    reason: str = ""  # why there is no verdict, where another run would not give one
    transductive: bool = False  # whether a method of it reads all test images at once

    @property
    def difference(self) -> float | None:
        """Return reproduced - reported."""
        comparable = METRICS[self.metric].comparable and judgeable(self.reported) is not None
        if self.reproduced is None or not comparable:
            return None
        return self.reproduced.mean - self.reported

    @property
    def p_differs(self) -> float | None:
        """Return the p-value of no difference beyond the tolerance, of this value alone."""
        if self.comparison is None or not self.comparison.judged:
            return None
        return self.comparison.p_value()

    @property
    def detectable(self) -> float | None:
        """Return the least true difference that so many seeds find at Holm's first step."""
        if self.comparison is None or not self.comparison.judged:
            return None
        return self.comparison.detectable(ALPHA / self.family)


@dataclass(frozen=True)
class Ledger:
    """All lines, the records that do not read, and what to know of those that do."""

    cells: tuple[LedgerRow, ...]
    claims: tuple[LedgerRow, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...] = ()  # what to know of the records that are joined


def ledger_of(
    tables: Sequence[Table],
    claims: Iterable[Claim],
    store: Store,
    methods: Methods = None,
) -> Ledger:
    """Fill the ledger from a store.

    What can be judged is judged on the seeds that the table names; of a proxy every seed counts.
    With the methods that this version has, lines that need another say so.
    """
    source = _Source(Reader(store), methods)
    cells = [
        line
        for table in tables
        for column in table.definition.columns
        for line in _column(table, ResolvedColumn.of(table, column), source)
    ]
    named = {table.short: table for table in tables}
    gains = [_claim(claim, named[claim.table], source) for claim in claims]
    problems, remarks = dict.fromkeys(source.reader.problems), source.reader.remarks
    marked, claimed = (
        tuple(
            replace(line, transductive=source.reader.reads_all(
                line.dataset, line.protocol, line.network, line.specification, line.over
            )) for line in lines
        )
        for lines in (cells, _judged(gains))
    )  # fmt: skip
    return Ledger(marked, claimed, tuple(problems), tuple(remarks))


@dataclass(frozen=True)
class _Source:
    """Where lines are filled from."""

    reader: Reader
    methods: Methods


def _column(table: Table, resolved: ResolvedColumn, source: _Source) -> Iterator[LedgerRow]:
    found = read_column(source.reader, table, resolved, table.definition.rows)
    judged = judge_column(table, found)
    for row in table.definition.rows:
        reported = table.value(row, resolved.column)
        if reported is None or METRICS[resolved.column.metric].over == "open_set_f":
            continue  # F - F_0 is ours to say, of values that are lines themselves
        line = _line("cell", table, resolved, row, reported)
        scored = found.scores.get(line.specification or "")
        if scored is None:
            yield _elsewhere(line, table, resolved, [row], source)
            continue
        line = _measured(line, resolved, scored)
        evidence, each = judged.get(row.label, (None, None))
        yield _decided(line, evidence, each, len(judged)) if evidence and each else line


def _claim(claim: Claim, table: Table, source: _Source) -> tuple[LedgerRow, bool]:
    """Return a claim's line, and whether runs of this version can judge it."""
    resolved = ResolvedColumn.of(table, claim.column_in(table))
    line = replace(
        _line("claim", table, resolved, claim.rows[0], claim.gain),
        paper=claim.paper, row=claim.claim, over=claim.over,
    )  # fmt: skip
    if line.tolerance is not None:
        line = replace(line, tolerance=gain_tolerance(claim.gain, line.tolerance))
    able = resolved.exact and line.tolerance is not None and resolved.column.data.available
    found = read_column(source.reader, table, resolved, [*table.definition.rows, *claim.rows])
    if found.differences(claim.method, claim.over):
        return _gained(line, found, claim.method, claim.over), able
    return _elsewhere(line, table, resolved, claim.rows, source), able


def _line(
    kind: str, table: Table, resolved: ResolvedColumn, row: TableRow, reported: float
) -> LedgerRow:
    column = resolved.column
    return LedgerRow(
        kind, table.definition.paper or "", table.short, row.label, column.title, column.dataset,
        resolved.network, column.metric, row.method_on(column.data), None, reported,
        None if judgeable(reported) is None else METRICS[column.metric].tolerance,
        table.decimals(column), table.definition.select,
        reason=FROM_MEMORY if judgeable(reported) is None else "",
    )  # fmt: skip


def _measured(line: LedgerRow, resolved: ResolvedColumn, found: SeedScores) -> LedgerRow:
    """Return a line with the mean over its seeds; a proxy, as long as nothing more is known."""
    machine = resolved.exact and line.tolerance is None and not line.reason
    return replace(
        line, tier="exact" if resolved.exact else "proxy", protocol=resolved.protocol,
        seeds=tuple(found), reproduced=mean_interval(list(found.values())),
        verdict=Verdict("proxy"),
        reason="it depends on the machine" if machine else line.reason,
    )  # fmt: skip


def _gained(line: LedgerRow, found: ColumnScores, method: str, over: str) -> LedgerRow:
    """Return a claim's line with the gain over the seeds that both methods have."""
    gain, differences = found.gain(method, over), found.differences(method, over)
    assert gain is not None
    evidence = None
    if line.tolerance is not None:
        evidence = found.gain_evidence(method, over, line.reported, line.tolerance)
    line = _measured(line, found.resolved, differences)
    return replace(
        line, reproduced=gain.estimate, comparison=evidence, p_gain=gain.p_value(),
        p_flip=sign_flip(list(differences.values())), superiority=gain.superiority(),
    )  # fmt: skip


def _elsewhere(
    line: LedgerRow, table: Table, own: ResolvedColumn, rows: Sequence[TableRow], source: _Source
) -> LedgerRow:
    """Return a line with what another protocol says that all its rows ran with, or why none does.

    Where there are several the protocol `fast` comes first; every seed that was run counts.
    """
    store, cells = source.reader.store, [own.cells(row, [0]) for row in rows]
    ran = [{name for cell in each for name in store.protocols(cell)} for each in cells]
    others = set.intersection(*ran) - {own.protocol}
    for name in sorted(others, key=lambda name: (name != FAST, name)):
        resolved = replace(own, protocol=name)
        found = [_every(source.reader, table, row, resolved) for row in rows]
        common = set.intersection(*map(set, found))
        if common and len(rows) == 1:
            return _measured(line, resolved, found[0])
        if common:
            ours, base = (str(row.method) for row in rows)
            both = ColumnScores(resolved, len(common), {ours: found[0], base: found[1]})
            return _gained(line, both, ours, base)
    reason = why_not_run(rows, own.column.data, source.methods)
    return replace(line, reason="; ".join(filter(None, (reason, line.reason))))


def _every(reader: Reader, table: Table, row: TableRow, resolved: ResolvedColumn) -> SeedScores:
    every = [seed for cell in resolved.cells(row, [0]) for seed in reader.store.seeds(cell)]
    return scores(reader, table, row, resolved, every)


def _decided(line: LedgerRow, evidence: Evidence, judged: Judged, family: int) -> LedgerRow:
    return replace(
        line, comparison=evidence, family=family, p_holm=judged.p_holm, verdict=judged.verdict
    )


def _judged(claims: Sequence[tuple[LedgerRow, bool]]) -> tuple[LedgerRow, ...]:
    """Return the claims with their verdicts: all that can be judged are one family."""
    lines = [line for line, _ in claims]
    family = [index for index, (_, able) in enumerate(claims) if able]
    judged = judge([lines[index].comparison for index in family])
    tested = [lines[index].p_gain if lines[index].comparison else None for index in family]
    raised = holm([1.0 if p is None else p for p in tested])
    found = list(lines)
    for index, each, p, p_holm in zip(family, judged, tested, raised, strict=True):
        evidence = lines[index].comparison
        if evidence is not None:
            line = _decided(lines[index], evidence, each, len(family))
            found[index] = replace(line, p_gain_holm=None if p is None else p_holm)
    return tuple(found)
