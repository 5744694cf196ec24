"""A whole plan run: here or in worker processes, and its records in the order asked for."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from ltbench.api.signatures import is_foreign
from ltbench.runs.execute import Workspace
from ltbench.runs.executors.local import Outcome, RunListener, run_here, run_in_workers
from ltbench.runs.executors.trackers import Tracked, trackers_of
from ltbench.runs.plan import Plan
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store


def run_plan(
    plan: Plan,
    workspace: Workspace,
    listening: AbstractContextManager[RunListener],
    *,
    workers: int,
    loaded: Sequence[Path],
    trackers: Sequence[str],
    debug: bool,
) -> tuple[list[Record], Outcome]:
    """Train what a plan lacks; return the records of all its cells that have one, in their order.

    Those that were finished before are among them. `loaded` are the files that methods of one's
    own come from; where there are such methods, this process, which knows their code, trains
    nothing itself, unless with `debug`. `trackers` are the names of what shows their curves as they
    grow. Raises LtbenchError, before anything is trained, where the results cannot be written or a
    tracker's package is missing.
    """
    store = Store(workspace.results)
    store.check_writable()
    tracking = trackers_of(trackers, store)
    with listening as heard:
        listener = Tracked(heard, tracking)
        foreign = bool(loaded) or any(is_foreign(cell.method) for cell in plan.cells)
        if workers == 1 and (debug or not foreign):
            outcome = run_here(plan.jobs, workspace, listener, debug)
        else:
            outcome = run_in_workers(plan.jobs, workspace, listener, workers, loaded)
    index = {cell: number for number, cell in enumerate(plan.cells)}
    records = [*plan.finished, *outcome.records]
    return sorted(records, key=lambda record: index[Cell.of(record)]), outcome
