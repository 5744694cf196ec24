"""`ltbench run`: plan, estimate, train, compare."""

import dataclasses
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ltbench.cli import complete
from ltbench.cli.loading import load_data, load_files, read_files
from ltbench.cli.options import (
    AsJson,
    Data,
    DataRoot,
    ExecutorName,
    Gpus,
    HeldOut,
    Imbalance,
    KeptWeights,
    Load,
    NetworkName,
    OnBadImage,
    PerGpu,
    PretrainedFile,
    ProtocolName,
    Results,
    Retries,
    SignalBefore,
    TimeLimit,
    Track,
    path_of,
    seed_of,
    times_of,
)
from ltbench.cli.run_options import forced, packed_plan, seeds_asked, table_of
from ltbench.cli.views.progress import listening
from ltbench.cli.views.run import say, show_plan
from ltbench.errors import LtbenchError, counted
from ltbench.specification import split

if TYPE_CHECKING:
    from ltbench.runs.executors.interface import Outcome
    from ltbench.runs.record import Record

SEEDS = "3"
debug = False  # set by `main`: an unforeseen error in a training then keeps its traceback


def run(
    job: Annotated[
        Path | None,
        typer.Argument(
            parser=path_of,
            metavar="[JOB]",
            help="An archive that `ltbench pack` made.",
            show_default=False,
        ),
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option(
            "--methods",
            help="Specifications, such as ce,ldam_drw+sam(rho=0.8).",
            autocompletion=complete.methods,
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            help="Data sets, such as cifar100_lt,digits_lt \\[default: those of --data].",
            autocompletion=complete.datasets,
        ),
    ] = None,
    data: Data = None,
    table: Annotated[
        str | None,
        typer.Option(
            help="Instead of methods and data sets: all that this table lacks, over its own seeds.",
            autocompletion=complete.tables,
        ),
    ] = None,
    imbalance: Imbalance = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            help="A count (3 is 0, 1, 2) or a list (0,4); one alone is --seed \\[default: 3]."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(
            parser=seed_of,
            metavar="INTEGER",
            help="This seed alone, instead of --seeds; may be repeated.",
        ),
    ] = None,
    protocol: ProtocolName = None,
    network: NetworkName = None,
    validation: HeldOut = None,
    keep: KeptWeights = None,
    results: Results = Path("results"),
    data_root: DataRoot = None,
    pretrained: PretrainedFile = None,
    on_bad_image: OnBadImage = "stop",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1, or several: cuda:0,cuda:1.")
    ] = "auto",
    gpus: Gpus = None,
    per_gpu: PerGpu = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes \\[default: one a device].")
    ] = None,
    executor: ExecutorName = "local",
    retries: Retries = 2,
    time_limit: TimeLimit = None,
    signal_before: SignalBefore = "60s",
    load: Load = None,
    track: Track = None,
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
    from ltbench.data.catalog import dataset as dataset_of
    from ltbench.runs.commands import seeds_of
    from ltbench.runs.interruption import interruptible
    from ltbench.runs.request import check_methods, check_protocols
    from ltbench.runs.store import Store

    times = *times_of(time_limit, signal_before), time.monotonic()
    packed = None
    if job is not None:
        beside = (methods, dataset, data, table, imbalance, protocol, network, validation)
        packed = packed_plan(job, any((*beside, seeds, seed, data_root)))
        methods, dataset, seeds, protocol, network, validation = packed.options()
        data_root = job
    read_files(load)
    store, names = Store(results), split(methods or "")
    own = load_data(data, data_root)
    sets = [dataset_of(name, imbalance) for name in (split(dataset) if dataset else own)]
    lacking = table_of(
        table, any((names, dataset, imbalance, network, validation, force)), bool(names and sets)
    )
    asked = seeds_asked(seed, seeds)
    check_methods(names)
    check_protocols(sets, protocol, validation)
    named = forced(force, names)

    # Only now what imports torch, which takes seconds.
    from ltbench.data.root import data_root as root_of
    from ltbench.planning.table_runs import missing_plan
    from ltbench.runs.executors.interface import Options, executor_of
    from ltbench.runs.executors.places import places_of, sharing_notes
    from ltbench.runs.executors.whole_plan import run_plan
    from ltbench.runs.kept import Keep
    from ltbench.runs.plan import make
    from ltbench.runs.preflight import prepare
    from ltbench.runs.workspace import Workspace

    with interruptible(results) as cells:
        load_files(load)
        plan = (
            missing_plan(lacking, store, protocol=protocol, seeds=asked)
            if lacking is not None
            else make(
                sets, names, asked or seeds_of(SEEDS), store,
                protocol_name=protocol, network=network, validation=validation, force=named,
            )
        )  # fmt: skip
        if packed is not None and job is not None:
            packed.check(plan, job)
        cells.update(plan.cells)
        say([*plan.warnings, *(plan.without_weights() if keep else ())])
        places = places_of(device, gpus, per_gpu, jobs, executor)
        given = tuple(places), tuple(load or ()), retries, debug
        runner = executor_of(executor, Options(*given, *times, per_gpu=per_gpu or 1))
        workspace = Workspace(
            results, root_of(data_root), places[0], keep=Keep.parse(keep), pretrained=pretrained,
            skip_unreadable=on_bad_image == "skip",
        )  # fmt: skip
        prepared = prepare(
            plan.jobs, workspace, download=not dry_run, files=None if debug else load or []
        )
        say([*sharing_notes(places), *prepared.notes, *prepared.broken])
        if dry_run or not (quiet or as_json):
            show_plan(
                plan, workspace, places, runner, prepared.missing,
                as_json=as_json, in_full=dry_run,
            )  # fmt: skip
        if dry_run:
            return
        records, outcome = run_plan(
            plan, workspace, listening(len(plan.jobs), quiet=quiet, as_json=as_json),
            executor=runner, trackers=track or (),
        )  # fmt: skip
        _compare(records, plan.cells[0].method, as_json=as_json)
    _check(outcome, len(plan.jobs), results)


def _check(outcome: "Outcome", trainings: int, results: Path) -> None:
    """Raise LtbenchError if a training failed."""
    from ltbench.runs.commands import of_results

    if outcome.failures:
        failed = ", ".join(outcome.failures)
        raise LtbenchError(
            f"{len(outcome.failures)} of {counted(trainings, 'training')} failed ({failed}); "
            f"`{of_results('ltbench status', results)}` says why, and the same command tries them "
            "again."
        )


def _compare(records: list["Record"], first: str, *, as_json: bool) -> None:
    """Show every method's mean, interval, difference to the first, and time."""
    from ltbench.cli.views.comparison import print_comparison
    from ltbench.tables.comparison import compare

    for comparison in compare(records, first):
        if as_json:
            print(json.dumps({"event": "comparison", **dataclasses.asdict(comparison)}))
        else:
            print()
            print_comparison(comparison, Console(highlight=False))
