"""A whole plan run by an executor, and its records in the order asked for."""

from collections.abc import Sequence
from contextlib import AbstractContextManager

from ltbench.runs.execute import Workspace
from ltbench.runs.executors.interface import Options, Outcome, RunListener, executor_of
from ltbench.runs.executors.trackers import Tracked, trackers_of
from ltbench.runs.plan import Plan
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store


def run_plan(
    plan: Plan,
    workspace: Workspace,
    listening: AbstractContextManager[RunListener],
    *,
    executor: str,
    options: Options,
    trackers: Sequence[str],
) -> tuple[list[Record], Outcome]:
    """Train what a plan lacks; return the records of all its cells that have one, in their order.

    Those that were finished before are among them. `trackers` are the names of what shows their
    curves as they grow. Raises LtbenchError, before anything is trained, where the results cannot
    be written or the package of the executor or of a tracker is missing.
    """
    store = Store(workspace.results)
    store.check_writable()
    runner, tracking = executor_of(executor, options), trackers_of(trackers, store)
    with listening as heard:
        outcome = runner.run(plan.jobs, workspace, Tracked(heard, tracking))
    index = {cell: number for number, cell in enumerate(plan.cells)}
    records = [*plan.finished, *outcome.records]
    return sorted(records, key=lambda record: index[Cell.of(record)]), outcome
