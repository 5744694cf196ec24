"""`ltbench analyse`: finished networks looked at, part by part."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ltbench.cli import complete
from ltbench.cli.loading import load_data, load_files
from ltbench.cli.options import Data, DataRoot, Load, Results, chosen, note_if_absent, seconds_of
from ltbench.errors import LtbenchError, UsageError, counted, printable
from ltbench.specification import split

if TYPE_CHECKING:
    from ltbench.analysis.subject import AnalysisPart
    from ltbench.runs.record import Record
    from ltbench.runs.store import Store


def analyse(
    name: Annotated[
        str,
        typer.Argument(
            help="Such as hessian or plane(points=51); `ltbench list analyses` has all.",
            autocompletion=complete.analyses,
        ),
    ],
    runs: Annotated[
        str | None,
        typer.Option(
            help="Methods' specifications, or files of records \\[default: all with weights].",
            autocompletion=complete.methods,
        ),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only these data sets.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    network: Annotated[str | None, typer.Option(help="Only this network.")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time to spend, such as 30m or 8h; the rest is for later.")
    ] = None,
    results: Results = Path("results"),
    data_root: DataRoot = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    data: Data = None,
    load: Load = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it would take; compute nothing.")
    ] = False,
) -> None:
    """Look inside finished runs that kept their weights; the same command goes on where it was.

    Writes a tidy CSV for each run into the results folder, under `analyses`.
    """
    from ltbench.analysis.finished import finished
    from ltbench.analysis.hessian import unconverged
    from ltbench.analysis.names import build_analysis
    from ltbench.analysis.perform import prepared, skipped
    from ltbench.analysis.plane import basins
    from ltbench.analysis.results import read
    from ltbench.cli.views.duration import duration
    from ltbench.data.root import data_root as root_of
    from ltbench.engine.precision import device_of
    from ltbench.runs.store import Cell, Store

    load_data(data, data_root)
    load_files(load)
    seconds = seconds_of(budget)
    until = None if seconds is None else time.monotonic() + seconds
    specification, analysis = build_analysis(name)
    store, where = Store(results), root_of(data_root)
    store.check_writable()
    problems: list[str] = []
    unfinished = 0
    try:
        for record, own in _chosen(store, runs, dataset, protocol, network):
            try:
                subject = finished(record, own, where, device_of(device))
                if why := skipped(analysis, subject[0]):
                    _say(why)
                    continue
                work = prepared(specification, analysis, record, own, subject)
            except LtbenchError as error:
                problems.append(str(error))
                continue
            if work.finished:
                _say(f"{work.path} is there already")
                continue
            parts = counted(len(work.left), "part")
            _say(f"{Cell.of(record)}: about {duration(work.seconds)} for {parts}")
            if dry_run:
                continue
            if not work.perform(until, _say_part):
                unfinished += 1
                continue
            print(f"Written: {work.path}")
            rows = read(work.path).rows
            for sentence in filter(None, (unconverged(rows), basins(rows))):
                _say(sentence)
    except KeyboardInterrupt:
        raise LtbenchError("interrupted; the same command goes on with what is left.") from None
    if unfinished:
        left = counted(unfinished, "run")
        _say(f"the budget is spent; parts of {left} are left, the same command goes on")
    if problems:
        raise _lacking(problems)


def _lacking(problems: list[str]) -> LtbenchError:
    """Return the error of runs that cannot be looked into; of several, say what each lacks."""
    if len(problems) == 1:
        return LtbenchError(problems[0])
    for problem in problems:
        _say(f"left out: {problem}")
    return LtbenchError(
        f"{len(problems)} runs cannot be looked into; the lines above say what each lacks."
    )


def _chosen(
    store: "Store", runs: str | None, dataset: str | None, protocol: str | None,
    network: str | None,
) -> list[tuple["Record", "Store"]]:  # fmt: skip
    """Return the records that are meant, and whose they are; raises LtbenchError for none."""
    from ltbench.analysis.finished import record_at
    from ltbench.runs.commands import of_results

    note_if_absent(store.root)
    named = split(runs or "")
    files = [each.strip() for each in (runs or "").split(",") if each.strip()]
    if any(each.endswith(".json") for each in files):
        if any((dataset, protocol, network)):
            raise UsageError(
                "--runs with record files says which runs; leave out --dataset, --protocol and "
                "--network."
            )
        paths = [Path(each).expanduser() for each in files]
        for path in paths:
            if not path.exists():
                raise LtbenchError(f"--runs: there is no {path}; give a record's .json file.")
        found = [record_at(path, store) for path in paths]
        for _, own in found:
            own.check_writable()
        return found
    try:
        records = chosen(store, ",".join(named) or None, dataset, protocol)
    finally:
        for problem in store.problems:
            _say(f"left out: {printable(problem)}")
    records = [r for r in records if network is None or r.network == network]
    kept = [record for record in records if "weights" in record.files]
    if records and not named and not kept:
        raise LtbenchError(
            f"no weights were kept of {counted(len(records), 'run')} in {store.root} that would "
            "fit; a run's own `ltbench run` command with `--keep weights --force` trains it again."
        )
    if not records:
        listing = of_results("ltbench status", store.root)
        raise LtbenchError(
            f"no run in {store.root} fits; `{listing}` lists what there is, and "
            "`ltbench run --keep weights` trains runs to look into."
        )
    records = records if named else kept
    return [(record, store) for record in records]


def _say_part(part: "AnalysisPart", done: int, of: int) -> None:
    _say(f"  {part.name} ({done} of {of})")


def _say(sentence: str) -> None:
    print(f"ltbench: {sentence}", file=sys.stderr, flush=True)
