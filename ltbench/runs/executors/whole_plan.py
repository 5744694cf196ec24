"""A whole plan run by an executor, and its records in the order asked for."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from ltbench.runs.executors.interface import Executor, Outcome, RunListener
from ltbench.runs.executors.trackers import Tracked, trackers_of
from ltbench.runs.interruption import time_limited
from ltbench.runs.plan import Plan
from ltbench.runs.record import Record
from ltbench.runs.signals import OutOfTimeError
from ltbench.runs.store import Cell, Store
from ltbench.runs.workspace import Workspace


def run_plan(
    plan: Plan,
    workspace: Workspace,
    listening: AbstractContextManager[RunListener],
    *,
    executor: Executor,
    trackers: Sequence[str],
) -> tuple[list[Record], Outcome]:
    """Train what a plan lacks; return the records of all its cells that have one, in their order.

    Those that were finished before are among them. `trackers` are the names of what shows their
    curves as they grow. Raises LtbenchError, before anything is trained, where the results cannot
    be written or a tracker's package is missing; TimeLimitError where the time is over before the
    plan is.
    """
    store = Store(workspace.results)
    if plan.jobs:
        store.check_writable()
    tracking = trackers_of(trackers, store)
    with time_limited(workspace.results, set(plan.cells)):
        with listening as listener:
            outcome = executor.run(plan.jobs, workspace, Tracked(listener, tracking))
        if outcome.left:
            raise OutOfTimeError
    index = {cell: number for number, cell in enumerate(plan.cells)}
    records = [*plan.finished, *outcome.records]
    return sorted(records, key=lambda record: index[Cell.of(record)]), outcome
