"""What a run will do, before it starts."""

import dataclasses
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ltbench.cli.views.duration import duration
from ltbench.errors import counted

if TYPE_CHECKING:
    from ltbench.runs.executors.interface import Executor
    from ltbench.runs.plan import Plan
    from ltbench.runs.recorded_cost import Costs
    from ltbench.runs.store import Store
    from ltbench.runs.workspace import Workspace

FIRST_STAGE = {
    "kept": "taken up, for it is trained already",
    "shared": "trained by an earlier one of these",
    "own": "trained with it, and kept for others",
}


def say(sentences: Iterable[str]) -> None:
    """Tell the user something beside the results, a line each."""
    for sentence in sentences:
        print(f"ltbench: {sentence}", file=sys.stderr)


def plan_row(plan: "Plan", store: "Store", seconds: float | None) -> dict[str, object]:
    """Return a plan as JSON has it."""
    from ltbench.runs.cost import first_stage_sources

    sources = first_stage_sources(plan.jobs, store)
    firsts = {
        job.fingerprint: {
            "of": job.first_stage.trained,
            "training": job.first_stage.fingerprint,
            "from": sources[job.fingerprint],
        }
        for job in plan.jobs
        if job.first_stage is not None
    }
    rows = [
        {
            **dataclasses.asdict(cell),
            "trained": job.trained,
            "training": job.fingerprint,
            "first_stage": firsts.get(job.fingerprint),
        }
        for job in plan.jobs
        for cell in job.cells
    ]
    return {
        "finished": len(plan.finished),
        "to_train": rows,
        "seconds": seconds and round(seconds, 1),
    }


def print_plan(
    plan: "Plan", store: "Store", seconds: float | None, where: str, *, in_full: bool
) -> None:
    """Say what will be done and, if that is known, how long it takes, before it starts."""
    from ltbench.runs.cost import first_stage_sources

    sources = first_stage_sources(plan.jobs, store)
    head = f"{counted(len(plan.cells), 'cell')}, {len(plan.finished)} finished; "
    if plan.jobs:
        takes = "nobody knows how long" if seconds is None else f"about {duration(seconds)}"
        head += f"{counted(len(plan.jobs), 'training')} to do, {takes} on {where}"
    else:
        head += "nothing to train"
    print(head, flush=True)
    for job in plan.jobs if in_full else ():
        print(
            f"  train {job.trained} on {job.dataset}, {job.network}, "
            f"{job.protocol.specification}, seed {job.seed}"
        )
        if job.first_stage is not None:
            where_from = FIRST_STAGE[sources[job.fingerprint]]
            print(f"    first stage {job.first_stage.trained}, {where_from}")
        for cell in job.cells:
            if cell.method != job.trained:
                print(f"    and read {cell.method} off it")


def show_plan(
    plan: "Plan",
    workspace: "Workspace",
    places: list[str],
    executor: "Executor",
    missing: Sequence[str],
    *,
    as_json: bool,
    in_full: bool,
) -> None:
    """Show what is to be done and how long it takes, as far as that is known.

    The executor's workers may train on a device that is none of this machine's. `missing` has a
    sentence for each data set that cannot be read, whose trainings have no time.
    """
    from ltbench.runs.cost import CostModel, estimate
    from ltbench.runs.executors.devices import costs_on, trains_on
    from ltbench.runs.recorded_cost import CostsElsewhere
    from ltbench.runs.store import Store

    store, device = Store(workspace.results), trains_on(executor, places[0])
    names = sorted({job.dataset.info.name for job in plan.jobs})
    records = (record for name in names for record in store.records(name))
    costs = costs_on(device, workspace, records, lambda words: say([f"{words} …"]))
    if isinstance(costs, CostModel):
        costs.expect(plan.jobs)
    known = estimate(plan.jobs, workspace, len(places), costs)
    is_partial = isinstance(costs, CostsElsewhere) and any(
        costs.cost(job).seconds is None for job in plan.jobs
    )
    seconds = None if is_partial or (missing and not known) else known
    if as_json:
        print(json.dumps(plan_row(plan, store, seconds)))
    else:
        print_plan(plan, store, seconds, _where(costs, places, device), in_full=in_full)
    if in_full:
        without = "missing" if seconds is None else "not in that time"
        say(f"{without}: {reason}" for reason in missing)


def _where(costs: "Costs", places: list[str], device: str | None) -> str:
    """Return in words the device that a plan's time is of."""
    from ltbench.engine.precision import device_of
    from ltbench.runs.environment import device_name
    from ltbench.runs.recorded_cost import CostsElsewhere

    if not isinstance(costs, CostsElsewhere):
        return device_name(device_of(device or places[0]))
    if device is None:
        return "the cluster's devices, which are not known here"
    return " or ".join(sorted(costs.models)) or "the cluster's GPUs, of which no record is here"
