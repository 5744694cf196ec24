"""The plan: data sets x methods x seeds to trainings, finished cells dropped.

Cells that differ only in post-hoc parts share one training.
"""

from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from ltbench.api.compose import overrides
from ltbench.api.method import Method
from ltbench.api.recipe import Recipe, Stage
from ltbench.api.registry import (
    baseline,
    build,
    describe,
    names,
    parameters,
    parts_of,
    sources,
    trained_part,
)
from ltbench.data.catalog import Dataset
from ltbench.errors import LtbenchError, UsageError, unknown
from ltbench.networks import NETWORKS
from ltbench.runs.protocol import Protocol, protocol_of
from ltbench.runs.record import Record, fingerprint_of
from ltbench.runs.store import Cell, Store
from ltbench.specification import parse

MAX_SEEDS = 10_000


@dataclass(frozen=True)
class Job:
    """One training and the cells that are read off it."""

    dataset: Dataset
    protocol: Protocol
    network: str
    trained: str  # canonical specification of what is trained
    seed: int
    fingerprint: str  # of the training
    cells: tuple[Cell, ...]
    first_stage: "Job | None" = None  # the training that is this one's first stage; no cells

    def __str__(self) -> str:
        return f"{self.trained} on {self.dataset}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """What a run command means: every cell in the order asked for, and what is left to train."""

    cells: tuple[Cell, ...]
    finished: tuple[Record, ...]
    jobs: tuple[Job, ...]


def make(
    datasets: Sequence[Dataset],
    methods: Sequence[str],
    seeds: Sequence[int],
    store: Store,
    *,
    protocol_name: str | None = None,
    network: str | None = None,
    validation: int | None = None,
    force: bool = False,
) -> Plan:
    """Return the plan; seeds vary slowest, so every method has a number early.

    Raises UsageError for names that do not exist, LtbenchError for a finished cell whose record
    was made with other settings than now or does not read, unless `force` is given.
    """
    if network is not None and network not in NETWORKS:
        raise unknown("network", network, NETWORKS)
    _refuse_unknown(methods)
    built = [build(specification) for specification in methods]
    for dataset in datasets:
        dataset.class_counts()  # raises where a class would be empty
    cells: dict[Cell, None] = {}
    finished: list[Record] = []
    jobs: dict[str, Job] = {}
    for seed in seeds:
        for dataset in datasets:
            protocol = protocol_of(protocol_name, dataset.info, validation)
            network_name = network or dataset.info.network
            for method in built:
                cell = Cell(
                    str(dataset), protocol.specification, network_name, describe(method), seed
                )
                if cell in cells:
                    continue
                cells[cell] = None
                record = None if force else _finished(store, cell, method, protocol)
                if record is not None:
                    finished.append(record)
                    continue
                job = _job(cell, method, dataset, protocol)
                earlier = jobs.get(job.fingerprint)
                if earlier is not None:
                    job = replace(earlier, cells=(*earlier.cells, cell))
                jobs[job.fingerprint] = job
    return Plan(tuple(cells), tuple(finished), tuple(jobs.values()))


def cell_fingerprint(cell: Cell, method: Method, protocol: Protocol) -> str:
    """Return the fingerprint of everything resolved that determines a cell's result.

    Fields of protocol, stage and recipe count where they differ from their defaults, so that a
    field added later leaves old records valid; a test pins the defaults.
    """
    found = replace(cell, method=describe(method))
    return _fingerprint(
        found, parameters(method), protocol, stages_of(method, protocol), sources(method)
    )


def fingerprint_in(record: Record) -> str:
    """Return the fingerprint that a record's content gives; it states another if it was changed.

    Raises ValueError for settings that are no protocol's of this version.
    """
    protocol = Protocol(**record.settings)
    return _fingerprint(Cell.of(record), record.parameters, protocol, record.stages, record.sources)


def stages_of(method: Method, protocol: Protocol) -> list[dict[str, Any]]:
    """Return the stages of a method under a protocol as plain data."""
    plain = []
    for stage in method.stages(protocol.recipe()):
        row = {field.name: _plain(getattr(stage, field.name)) for field in fields(Stage)}
        plain.append(row | {"recipe": {k: _plain(v) for k, v in asdict(stage.recipe).items()}})
    return plain


def seeds_of(text: str) -> list[int]:
    """Return `3` as [0, 1, 2] and `0,4` as [0, 4]; raises UsageError for anything else."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts if part):
        raise UsageError(f"--seeds {text}: give a count such as 3 or a list such as 0,4.")
    numbers = [int(part) for part in parts if part]
    if "," not in text:
        if numbers and numbers[0] > MAX_SEEDS:
            raise UsageError(f"--seeds {text}: that is too many; give at most {MAX_SEEDS}.")
        numbers = list(range(numbers[0])) if numbers else []
    if not numbers:
        raise UsageError(f"--seeds {text}: give at least one seed, such as 1 or 0,4.")
    return list(dict.fromkeys(numbers))


def _fingerprint(
    cell: Cell,
    values: dict[str, dict[str, Any]],
    protocol: Protocol,
    stages: list[dict[str, Any]],
    foreign: dict[str, str],
) -> str:
    usual_stage, usual_recipe = _defaults(Stage), _defaults(Recipe)
    resolved = {
        "dataset": cell.dataset,
        "network": cell.network,
        "method": cell.method,
        "parameters": values,
        "settings": protocol.model_dump(exclude_defaults=True),
        "stages": [
            {**_without(row, usual_stage), "recipe": _without(row["recipe"], usual_recipe)}
            for row in stages
        ],
        "seed": cell.seed,
    }
    return fingerprint_of({**resolved, "sources": foreign} if foreign else resolved)


def _refuse_unknown(methods: Sequence[str]) -> None:
    """Raise UsageError naming all the methods that do not exist, not only the first."""
    known = names()
    strange = [term.name for text in methods for term in parse(text) if term.name not in known]
    if len(strange) > 1:
        raise UsageError(
            f"unknown methods {', '.join(map(repr, dict.fromkeys(strange)))}; "
            f"known: {', '.join(known)}. Methods of your own come with --load mine.py."
        )


def _job(cell: Cell, method: Method, dataset: Dataset, protocol: Protocol) -> Job:
    def job_of(whole: Method, cells: tuple[Cell, ...], first: Job | None = None) -> Job:
        mark = cell_fingerprint(cell, whole, protocol)
        return Job(dataset, protocol, cell.network, describe(whole), cell.seed, mark, cells, first)

    trained = trained_part(method)
    first = shared_first_stage(trained, protocol.recipe())
    return job_of(trained, (cell,), None if first is None else job_of(first, ()))


def _finished(store: Store, cell: Cell, method: Method, protocol: Protocol) -> Record | None:
    record = store.read(cell)
    if record is not None and record.fingerprint != cell_fingerprint(cell, method, protocol):
        raise LtbenchError(
            f"{store.path(cell)} was made with settings, or a method's file, that have changed "
            "since; run with --force to train it again, or with --results for another folder."
        )
    return record


def _plain(value: Any) -> Any:
    """Return a field of a stage or recipe as JSON gives it back."""
    if isinstance(value, Method):
        return describe(value)
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _defaults(cls: type) -> dict[str, Any]:
    return {f.name: _plain(f.default) for f in fields(cls) if f.default is not MISSING}


def _without(row: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in usual or value != usual[key]}


LATER = {"stages", "begin_stage"}  # hooks that leave the first stage as it is


def shared_first_stage(method: Method, recipe: Recipe) -> Method | None:
    """Return the method whose whole training is a method's first stage, or None.

    It is plain training with the same modifiers: the base must change nothing but what follows,
    and the first stage must be, field by field, the plain method's only one.
    """
    base, *modifiers = parts_of(method)
    if not overrides(base) <= LATER or type(base).setup is not Method.setup:
        return None
    stages = method.stages(recipe)
    if len(stages) < 2:
        return None
    whole = build("+".join([baseline(), *map(describe, modifiers)]))
    return whole if whole.stages(recipe) == stages[:1] else None
