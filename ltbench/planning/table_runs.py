"""All that a table lacks, as one plan to run."""

from collections.abc import Sequence

from ltbench.errors import LtbenchError
from ltbench.registry.signatures import names
from ltbench.runs.plan import Plan, make
from ltbench.runs.store import Store
from ltbench.tables.definition import Table
from ltbench.tables.grid import grid_of
from ltbench.tables.missing import rows_left_out, runnable


def missing_plan(
    table: Table, store: Store, *, protocol: str | None = None, seeds: Sequence[int] = ()
) -> Plan:
    """Return the plan of a table's cells, under its protocol and seeds or others.

    Those that are finished are part of it, to be compared with; rows of methods that are not
    known here are not, and a warning names them. Raises LtbenchError where none ran, or can run
    here.
    """
    grid, known = grid_of(table, store, protocol), names()
    plans = [
        make(
            [data], members, seeds or table.definition.seeds, store,
            protocol_name=used, network=network,
        )
        for (data, network, used), members in runnable(grid, known).items()
    ]  # fmt: skip
    if not plans:
        raise LtbenchError(
            f"table {table.short} has no cell that can run here; "
            f"`ltbench table {table.short} --coverage` says why."
        )
    warnings = [words for plan in plans for words in plan.warnings]
    return Plan(
        tuple(cell for plan in plans for cell in plan.cells),
        tuple(record for plan in plans for record in plan.finished),
        tuple(job for plan in plans for job in plan.jobs),
        tuple(dict.fromkeys([*rows_left_out(table, known), *warnings])),
    )
