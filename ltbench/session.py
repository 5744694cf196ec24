"""Training from Python, for scripts and notebooks: what `ltbench run` does, as a function."""

import time
from collections.abc import Collection, Iterable, Sequence
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ltbench.cli.views.progress import listening
from ltbench.cli.views.run import say
from ltbench.data.catalog import dataset as dataset_of
from ltbench.data.described import register_own
from ltbench.data.root import data_root as root_of
from ltbench.errors import LtbenchError, UsageError, counted
from ltbench.exchange.frame import frame
from ltbench.registry.methods import load_file
from ltbench.runs.commands import seeds_of
from ltbench.runs.executors.interface import RETRIES, SIGNAL_BEFORE, Options, executor_of
from ltbench.runs.executors.places import places_of, sharing_notes
from ltbench.runs.executors.whole_plan import run_plan
from ltbench.runs.kept import Keep
from ltbench.runs.plan import make
from ltbench.runs.preflight import prepare
from ltbench.runs.store import Store
from ltbench.runs.workspace import Workspace
from ltbench.specification import split

if TYPE_CHECKING:
    import pandas as pd

Names = str | Sequence[str]


def run(
    methods: Names,
    dataset: Names = (),
    *,
    imbalance: float | None = None,
    seeds: int | str | Sequence[int] = 3,
    protocol: str | None = None,
    network: str | None = None,
    validation: int | None = None,
    keep: str | None = None,
    results: str | Path = "results",
    data_root: str | Path | None = None,
    pretrained: str | Path | None = None,
    on_bad_image: Literal["stop", "skip"] = "stop",
    device: str = "auto",
    jobs: int | None = None,
    gpus: str | int | None = None,
    per_gpu: int | None = None,
    executor: str = "local",
    retries: int = RETRIES,
    time_limit: float | None = None,
    signal_before: float = SIGNAL_BEFORE,
    data: str | Path | Sequence[str | Path] = (),
    load: str | Path | Sequence[str | Path] = (),
    force: bool | Collection[str] = False,
    track: Names = (),
    quiet: bool = False,
    debug: bool = False,
) -> "pd.DataFrame":
    """Train methods on data sets over seeds, and return their records as `records` does.

    The arguments are the options of `ltbench run`: `methods` and `dataset` are specifications, in
    one text with commas or one each in a list; `seeds` is a count or a list; `data` is the file
    that describes images of your own, or several, which are the data sets if none is named; `load`
    is the file of a method of your own, or several; `track` names what else shows the curves;
    `time_limit` and `signal_before` are in seconds. Finished cells are not trained again, and their
    records are among those returned, in the order asked for; an interrupted training goes on when
    called again.

    Raises UsageError, before anything is trained, for what does not exist or does not fit, and
    LtbenchError, after all else is trained, with the reason of every training that failed; with
    `debug` the first unforeseen error in a training comes through as it is.
    """
    begun, files = time.monotonic(), _paths(load)
    for file in files:
        load_file(file)
    root = root_of(None if data_root is None else Path(data_root))
    described = register_own(_paths(data), root)
    names = _listed(methods)
    sets = [dataset_of(name, imbalance) for name in _listed(dataset) or described]
    if not names or not sets:
        raise UsageError("nothing to run; give methods and dataset at least one name each.")
    for name, count in (("jobs", jobs), ("per_gpu", per_gpu)):
        if count is not None and count < 1:
            raise UsageError(f"{name} = {count} is not allowed; give at least 1.")
    if not signal_before >= 0:
        raise UsageError(f"signal_before = {signal_before} is not allowed; give seconds from 0 on.")
    if on_bad_image not in ("stop", "skip"):
        raise UsageError(f"on_bad_image = {on_bad_image!r} is not allowed; give stop or skip.")
    places = places_of(device, None if gpus is None else str(gpus), per_gpu, jobs, executor)
    given = tuple(places), tuple(files), retries, debug, time_limit, signal_before, begun
    options = Options(*given, per_gpu=per_gpu or 1)
    runner, store = executor_of(executor, options), Store(results)
    plan = make(
        sets, names, _seeds(seeds), store,
        protocol_name=protocol, network=network, validation=validation, force=force,
    )  # fmt: skip
    weights = None if pretrained is None else Path(pretrained).expanduser()
    workspace = Workspace(
        store.root, root, places[0], keep=Keep.parse(keep), pretrained=weights,
        skip_unreadable=on_bad_image == "skip",
    )  # fmt: skip
    prepared = prepare(plan.jobs, workspace, files=None if debug else files)
    if not quiet:
        say([*plan.warnings, *(plan.without_weights() if keep else ()), *sharing_notes(places)])
        say([*prepared.notes, *prepared.broken])
    records, outcome = run_plan(
        plan, workspace, listening(len(plan.jobs), quiet=quiet, as_json=False),
        executor=runner, trackers=_listed(track),
    )  # fmt: skip
    if outcome.failures:
        reasons = "; ".join(f"{job}: {reason}" for job, reason in outcome.failures.items())
        raise LtbenchError(
            f"{len(outcome.failures)} of {counted(len(plan.jobs), 'training')} failed: {reasons}"
        )
    return frame(records)


def _paths(given: str | Path | Sequence[str | Path]) -> list[Path]:
    every = [given] if isinstance(given, str | Path) else given
    return [Path(each).expanduser() for each in every]


def _listed(names: Names) -> list[str]:
    return split(names) if isinstance(names, str) else [n for text in names for n in split(text)]


def _seeds(seeds: int | str | Sequence[int]) -> list[int]:
    """Return the seeds; raises UsageError for anything but a count, a list, or their text."""
    if isinstance(seeds, str):
        return seeds_of(seeds)
    try:
        given = list(seeds) if isinstance(seeds, Iterable) else list(range(index(seeds)))
        if any(isinstance(each, bool) for each in (seeds, *given)):
            raise TypeError
        found = list(dict.fromkeys(map(index, given)))
    except TypeError:
        found = []
    if not found or min(found) < 0:
        raise UsageError(f"seeds = {seeds!r}: give a count from 1, or a list such as [0, 4].")
    return found
