"""A row of the ledger: a reported value or gain, and what the records say of it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ltbench.evaluation.selection import Selection
from ltbench.runs.protocol import EXACT, is_exact
from ltbench.runs.store import Store
from ltbench.statistics.estimates import ALPHA, Estimate, mean_interval
from ltbench.statistics.gains import sign_flip
from ltbench.statistics.verdict import Evidence, Judged, Verdict
from ltbench.tables.cells import Reader, ResolvedColumn, SeedScores, scores, thresholds_of
from ltbench.tables.columns import ColumnScores
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.metrics import METRICS, Metric
from ltbench.tables.missing import why_not_run
from ltbench.tables.reported import FROM_MEMORY, judgeable

FAST = "fast"  # the proxy that is shown where there are several
NOT_RUN = Verdict("not run")


@dataclass(frozen=True)
class RowSource:
    """Where rows are filled from."""

    reader: Reader
    methods: Collection[str] | None  # that this version has, where that is to be said


@dataclass(frozen=True)
class LedgerRow:
    """A reported value or claimed gain, ours, and the verdict; a gain is on the method `over`."""

    kind: str  # cell, claim or reading
    paper: str
    table: str
    row: str  # of a claim and its readings, the claim's words
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
    family: int = 0  # values that are judged together: the table's column, all claims, all so read
    p_holm: float | None = None  # over the family
    p_gain: float | None = None  # of a claim: of no gain at all
    p_gain_holm: float | None = None  # over all claims
    p_flip: float | None = None
    superiority: tuple[float, float, float] | None = None  # of a claim: P(it shows), interval
    verdict: Verdict = NOT_RUN
    reason: str = ""  # why there is no verdict, where another run would not give one
    transductive: bool = False  # whether a method of it reads all test images at once
    thresholds: tuple[int, int] | None = None  # of its shot groups, where its row has its own
    over_thresholds: tuple[int, int] | None = None  # of a claim: those of the method `over`
    reading: str = ""  # of a claim read otherwise than by our defaults: how, in words
    other_readings: str = ""  # that it is by our default one; of a claim, what became of others
    same_classes: Estimate | None = None  # of a claim on classes grouped otherwise: its gain if not

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


def judged_in(
    table: Table, column: Column, rows: Sequence[TableRow], store: Store
) -> ResolvedColumn:
    """Return a table's column under its protocol, or in the precision that rows have run in.

    A paper's protocol judges in either precision; the table's own comes first.
    """
    own = ResolvedColumn.of(table, column)
    either = [own, *(replace(own, protocol=name) for name in sorted(EXACT - {own.protocol}))]
    for resolved in either if own.exact else ():
        if any(store.seeds(cell) for row in rows for cell in resolved.cells(row, [0])):
            return resolved
    return own


def row_of(
    kind: str, table: Table, resolved: ResolvedColumn, row: TableRow, reported: float
) -> LedgerRow:
    """Return the row of a reported value, as long as nothing is known of its records."""
    column = resolved.column
    return LedgerRow(
        kind, table.definition.paper or "", table.short, row.label, column.title, column.dataset,
        resolved.network, column.metric, row.method_on(column.data), None, reported,
        None if judgeable(reported) is None else METRICS[column.metric].tolerance,
        table.decimals(column), table.definition.select,
        reason=FROM_MEMORY if judgeable(reported) is None else "",
        thresholds=thresholds_of(row, column.metric),
    )  # fmt: skip


def measured(line: LedgerRow, resolved: ResolvedColumn, found: SeedScores) -> LedgerRow:
    """Return a line with the mean over its seeds; a proxy, as long as nothing more is known."""
    machine = resolved.exact and line.tolerance is None and not line.reason
    return replace(
        line, tier="exact" if resolved.exact else "proxy", protocol=resolved.protocol,
        seeds=tuple(found), reproduced=mean_interval(list(found.values())),
        verdict=Verdict("proxy"),
        reason="it depends on the machine" if machine else line.reason,
    )  # fmt: skip


def gained(line: LedgerRow, found: ColumnScores, method: str, over: str) -> LedgerRow:
    """Return a claim's line with the gain over the seeds that both methods have."""
    gain, differences = found.gain(method, over), found.differences(method, over)
    assert gain is not None
    evidence = None
    if line.tolerance is not None:
        evidence = found.gain_evidence(method, over, line.reported, line.tolerance)
    line = measured(line, found.resolved, differences)
    return replace(
        line, reproduced=gain.estimate, comparison=evidence, p_gain=gain.p_value(),
        p_flip=sign_flip(list(differences.values())), superiority=gain.superiority(),
    )  # fmt: skip


def elsewhere(
    line: LedgerRow, table: Table, own: ResolvedColumn, rows: Sequence[TableRow], source: RowSource
) -> LedgerRow:
    """Return a line with what another protocol says that all its rows ran with, or why none can.

    A paper's own protocol in another precision comes first, then `fast`; every seed that was run
    counts.
    """
    store, cells = source.reader.store, [own.cells(row, [0]) for row in rows]
    ran = [{name for cell in each for name in store.protocols(cell)} for each in cells]
    others = set.intersection(*ran) - {own.protocol}
    for name in sorted(others, key=lambda name: (not is_exact(name), name != FAST, name)):
        resolved = replace(own, protocol=name)
        found = [_every(source.reader, table, row, resolved) for row in rows]
        common = set.intersection(*map(set, found))
        if not common:
            continue
        if len(rows) == 1:
            shown = measured(line, resolved, found[0])
        else:
            ours, base = (str(row.method) for row in rows)
            of = ({seed: each[seed] for seed in sorted(common)} for each in found)
            both = ColumnScores(resolved, len(common), dict(zip((ours, base), of, strict=True)))
            shown = replace(gained(line, both, ours, base), comparison=None)
        judged = line.tolerance is not None and own.exact
        return _unjudged(shown) if judged and resolved.exact else shown
    reason = why_not_run(rows, own.column.data, source.methods)
    verdict = Verdict("cannot run") if reason else line.verdict
    return replace(line, verdict=verdict, reason="; ".join(filter(None, (reason, line.reason))))


def untested(line: LedgerRow) -> LedgerRow:
    """Return a claim's line without the tests of no gain at all."""
    return replace(line, p_gain=None, p_flip=None, superiority=None)


def _unjudged(line: LedgerRow) -> LedgerRow:
    """Return a line of a paper's protocol in the precision that its column is not judged in."""
    return replace(
        untested(line), verdict=Verdict("undecided"),
        reason="its column is judged in another precision; in a results folder without that one's "
        "runs `ltbench ledger --results FOLDER` judges it",
    )  # fmt: skip


def _every(reader: Reader, table: Table, row: TableRow, resolved: ResolvedColumn) -> SeedScores:
    every = [seed for cell in resolved.cells(row, [0]) for seed in reader.store.seeds(cell)]
    return scores(reader, table, row, resolved, every)


def decided(line: LedgerRow, evidence: Evidence, judged: Judged, family: int) -> LedgerRow:
    """Return a row with its verdict, among so many that are judged together.

    Its interval is then the verdict's, of the deviation that its column shares.
    """
    ours = line.reproduced
    if evidence.judged:
        ours = Estimate(evidence.mean, evidence.half_width, evidence.n)
    return replace(
        line, comparison=evidence, family=family, p_holm=judged.p_holm, verdict=judged.verdict,
        reproduced=ours,
    )  # fmt: skip
