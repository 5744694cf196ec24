"""`ltbench run`: plan, price, train, compare."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ltbench.cli import complete
from ltbench.cli.options import AsJson, DataRoot, Load, Results
from ltbench.cli.views.progress import duration, listening
from ltbench.cli.views.rows import load_files
from ltbench.data.catalog import dataset as dataset_of
from ltbench.errors import LtbenchError, UsageError
from ltbench.specification import parse, split

if TYPE_CHECKING:
    from ltbench.runs.plan import Plan
    from ltbench.runs.record import Record
    from ltbench.runs.store import Store

ALL = "*"  # what a bare --force names
debug = False  # set by `main`: an unforeseen error in a training then keeps its traceback


class InterruptedRunError(LtbenchError):
    """Ctrl-C, or a cluster's notice to end."""

    exit_code = 130  # the shell's code for it

    def __init__(self) -> None:
        super().__init__("interrupted; the same command goes on from the last finished epoch.")


def run(
    methods: Annotated[
        str,
        typer.Option(
            "--methods",
            help="Specifications, such as ce,ldam_drw+sam(rho=0.8).",
            autocompletion=complete.methods,
        ),
    ],
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            help="Data sets, such as cifar100_lt,digits_lt.",
            autocompletion=complete.datasets,
        ),
    ],
    imbalance: Annotated[
        float | None, typer.Option(help="Ratio n_max / n_min \\[default: the data set's].")
    ] = None,
    seeds: Annotated[
        str, typer.Option(help="A count (3 is 0, 1, 2) or a list (0,4); one alone is --seed.")
    ] = "3",
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="This seed alone, instead of --seeds; may be repeated."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="paper, fast, smoke or fast(epochs=20) \\[default: the data set's].",
            autocompletion=complete.protocols,
        ),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="resnet32 or resnet8 \\[default: the data set's].")
    ] = None,
    validation: Annotated[
        int | None, typer.Option(help="Training images per class to hold out and select on.")
    ] = None,
    results: Results = Path("results"),
    data_root: DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    jobs: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    load: Load = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show cells and estimated time; train nothing.")
    ] = False,
    force: Annotated[
        str | None,
        typer.Option(
            "--force",
            metavar="[METHODS]",
            help="Train again what is finished, of all methods or of those named.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show failures and the result.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train methods on data sets over seeds; finished cells are skipped, interrupted ones go on."""
    from ltbench.data.readers import data_root as root_of
    from ltbench.engine.precision import device_of
    from ltbench.runs.commands import seeds_of
    from ltbench.runs.cost import estimate
    from ltbench.runs.environment import device_name
    from ltbench.runs.execute import Workspace
    from ltbench.runs.executors.local import run_here, run_in_workers
    from ltbench.runs.plan import make
    from ltbench.runs.preflight import rehearse
    from ltbench.runs.step_time import check_data
    from ltbench.runs.store import Store

    try:
        load_files(load)
        store = Store(results)
        names, sets = split(methods), [dataset_of(name, imbalance) for name in split(dataset)]
        if not names or not sets:
            raise UsageError("nothing to run; give --methods and --dataset at least one name each.")
        plan = make(
            sets, names, list(dict.fromkeys(seed)) if seed else seeds_of(seeds), store,
            protocol_name=protocol, network=network, validation=validation,
            force=_forced(force, names),
        )  # fmt: skip
        for warning in plan.warnings:
            print(f"ltbench: {warning}", file=sys.stderr)
        workspace = Workspace(results, root_of(data_root), device)
        check_data(plan.jobs, workspace)
        rehearse(plan.jobs, workspace)
        if dry_run or not (quiet or as_json):
            seconds = estimate(plan.jobs, workspace, jobs)
            if as_json:
                print(json.dumps(_plan_row(plan, store, seconds)))
            else:
                _announce(plan, store, seconds, device_name(device_of(device)), in_full=dry_run)
        if dry_run:
            return
        store.check_writable()
        with listening(len(plan.jobs), quiet=quiet, as_json=as_json) as listener:
            if jobs == 1:
                outcome = run_here(plan.jobs, workspace, listener, debug)
            else:
                outcome = run_in_workers(plan.jobs, workspace, listener, jobs, load or [])
        _compare(plan, [*plan.finished, *outcome.records], as_json=as_json)
    except KeyboardInterrupt:
        raise InterruptedRunError from None
    if outcome.failures:
        failed = ", ".join(outcome.failures)
        raise LtbenchError(
            f"{len(outcome.failures)} of {len(plan.jobs)} trainings failed ({failed}); "
            "`ltbench status` says why, and the same command tries them again."
        )


def _forced(force: str | None, methods: list[str]) -> bool | list[str]:
    """Return what `--force` names; raises UsageError where none of the methods is meant."""
    if force is None or force == ALL:
        return force is not None
    from ltbench.api.signatures import canonical

    names = [canonical(name) for name in split(force)]
    parts = {term.name for method in methods for term in parse(method)}
    for name in names:
        if name not in parts and name not in map(canonical, methods):
            raise UsageError(f"--force {name}: that is none of the methods of this command.")
    return names


def _plan_row(plan: "Plan", store: "Store", seconds: float) -> dict[str, object]:
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
    return {"finished": len(plan.finished), "to_train": rows, "seconds": round(seconds, 1)}


FIRST_STAGE = {
    "kept": "taken up, for it is trained already",
    "shared": "trained by an earlier one of these",
    "own": "trained with it, and kept for others",
}


def _announce(plan: "Plan", store: "Store", seconds: float, where: str, *, in_full: bool) -> None:
    """Say what will be done and how long it takes, before it starts."""
    from ltbench.runs.cost import first_stage_sources

    sources = first_stage_sources(plan.jobs, store)
    head = f"{len(plan.cells)} cells, {len(plan.finished)} finished; "
    if plan.jobs:
        head += f"{len(plan.jobs)} trainings to do, about {duration(seconds)} on {where}"
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


def _compare(plan: "Plan", records: list["Record"], *, as_json: bool) -> None:
    """Show every method's mean, interval, difference to the first, and cost."""
    from ltbench.cli.views.comparison import print_comparison
    from ltbench.runs.store import Cell
    from ltbench.tables.comparison import compare

    asked = {cell: position for position, cell in enumerate(plan.cells)}
    ordered = sorted(records, key=lambda record: asked[Cell.of(record)])
    comparisons = compare(ordered, plan.cells[0].method)
    for comparison in comparisons:
        if as_json:
            print(json.dumps({"event": "comparison", **dataclasses.asdict(comparison)}))
        else:
            print()
            print_comparison(comparison, Console(highlight=False))
