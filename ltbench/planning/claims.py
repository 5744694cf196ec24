"""What it takes to decide a table's claims: the seeds of both methods, and their cost."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ltbench.planning.candidates import trainings
from ltbench.planning.spread import SeedDeviations
from ltbench.registry.signatures import lacking
from ltbench.runs.plan import Job, make
from ltbench.statistics.estimates import ALPHA, LEAST, ROUNDING
from ltbench.statistics.gains import Gain
from ltbench.statistics.power import chance_to_hold
from ltbench.statistics.verdict import LIKELY, MOST
from ltbench.tables.claims import Claim, load_claims
from ltbench.tables.definition import Table, load
from ltbench.tables.ledger_claims import claimed
from ltbench.tables.ledger_row import LedgerRow, RowSource, judged_in
from ltbench.tables.shipped import shipped


@dataclass(frozen=True)
class PlannedClaim:
    """A claim of a table: what is said of it now, and what seeds of both methods would say."""

    row: LedgerRow
    jobs: tuple[Job, ...]  # that the seeds asked for still take
    family: int  # claims that are judged together
    methods: int  # trainings of its column that run, and so share its deviation
    deviation: float  # of one seed of a method

    def chance(self, n: int) -> float:
        """Return the probability that it is decided at n seeds of both methods.

        Before both have two seeds it is how often it would hold, were what is claimed true.
        """
        evidence = self.row.comparison
        if n < LEAST:
            return 0.0
        if evidence is not None and evidence.n >= 2 and evidence.deviation > ROUNDING:
            if n <= evidence.n:  # it is judged on all of them, not on the first
                return float(n == evidence.n and self.row.verdict.word in ("holds", "differs"))
            return evidence.chance(n, ALPHA / self.family)
        assert self.row.tolerance is not None
        apart = math.sqrt(2) * self.deviation
        return chance_to_hold(apart, self.row.tolerance, n, self.methods, self.row.reported)

    @property
    def enough(self) -> int | None:
        """Return the least n that decides it as likely as not; None where a hundred do not."""
        return next((n for n in range(LEAST, MOST + 1) if self.chance(n) >= LIKELY), None)

    @property
    def shows(self) -> int | None:
        """Return the least n that finds so large a gain to be one, four times of five.

        At Holm's first step over all claims; None where a hundred do not.
        """
        for n in range(LEAST, MOST + 1):
            freedom = max(self.methods - 1, 1) * (n - 1)
            least = Gain(0.0, math.sqrt(2) * self.deviation, n, freedom).detectable(
                ALPHA / self.family
            )
            if least is not None and least <= abs(self.row.reported):
                return n
        return None


def planned_claims(
    table: Table, seeds: Sequence[int], source: RowSource, deviations: SeedDeviations
) -> list[PlannedClaim]:
    """Return the claims about a table that runs of this version can decide, in their order.

    They are judged now as in a table of `seeds`, in one family with all shipped claims. There are
    none about a table of the user's own.
    """
    tables = {each.short: each for each in map(load, shipped())}
    if table.short not in tables or tables[table.short].definition != table.definition:
        return []
    claims = load_claims(tables.values())
    definition = table.definition.model_copy(update={"seeds": list(seeds)})
    tables[table.short] = asked = replace(table, definition=definition)
    rows, _ = claimed(claims, tables, source)
    return [
        _planned(claim, row, asked, source, deviations)
        for claim, row in zip(claims.claims, rows, strict=True)
        if claim.table == asked.short
        and row.family
        and not _lacking(source, claim.method, claim.over)
    ]


def _planned(
    claim: Claim, row: LedgerRow, table: Table, source: RowSource, deviations: SeedDeviations
) -> PlannedClaim:
    column, own = claim.column_in(table), claim.rows_in(table)
    every, store = [*table.definition.rows, *own], source.reader.store
    resolved = judged_in(table, column, every, store)
    made = make(
        [column.data], [claim.over, claim.method], table.definition.seeds, store,
        protocol_name=resolved.protocol, network=row.network,
    )  # fmt: skip
    methods = source.methods or ()
    pair = trainings([claim.over, claim.method], methods)  # 1: a post-hoc part on one training
    where = column.data.info.name, row.network, resolved.protocol
    return PlannedClaim(
        row, made.jobs, row.family,
        1 if pair == 1 else trainings(map(resolved.method, every), methods),
        deviations.of(*where, row.metric).points,
    )  # fmt: skip


def _lacking(source: RowSource, *methods: str) -> bool:
    return bool(lacking(methods, source.methods or ()))
