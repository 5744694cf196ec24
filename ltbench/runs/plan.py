"""The plan: data sets x methods x seeds to trainings, finished cells dropped.

Cells that differ only in post-hoc parts share one training.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from ltbench.api.compose import overrides
from ltbench.api.method import Method
from ltbench.api.recipe import Recipe, Stage
from ltbench.data.catalog import Dataset
from ltbench.networks import check_network
from ltbench.registry.kinds import check_kind
from ltbench.registry.methods import baseline, build, describe, parts_of, trained_part
from ltbench.runs.environment import source_state
from ltbench.runs.identity import Identity
from ltbench.runs.protocol import Protocol, protocol_of, shortened
from ltbench.runs.provenance import Provenance, joined, provenance_of
from ltbench.runs.record import Record
from ltbench.runs.request import check_methods
from ltbench.runs.size import TrainingSize
from ltbench.runs.store import Cell, Store
from ltbench.specification import parse


@dataclass(frozen=True, kw_only=True)
class Job:
    """One training and the cells that are read off it."""

    dataset: Dataset
    protocol: Protocol
    network: str
    trained: str  # canonical specification of what is trained
    identity: Identity = field(hash=False)  # of that, as it was planned; it holds dictionaries
    seed: int
    fingerprint: str  # of the training
    size: TrainingSize
    cells: tuple[Cell, ...]
    fingerprints: tuple[str, ...]  # of the cells
    first_stage: "Job | None" = None  # the training that is this one's first stage; no cells
    anew: bool = False  # train it again although it is finished

    def fingerprint_of(self, cell: Cell) -> str:
        """Return the fingerprint of one of the cells."""
        return self.fingerprints[self.cells.index(cell)]

    def __str__(self) -> str:
        return f"{self.trained} on {self.dataset}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """What a run command means: every cell in the order asked for, and what is left to train."""

    cells: tuple[Cell, ...]
    finished: tuple[Record, ...]
    jobs: tuple[Job, ...]
    warnings: tuple[str, ...] = ()  # a shortened warm-up, seeds that other code computed

    def without_weights(self) -> list[str]:
        """Return a sentence on the finished cells that kept no weights, if there are any."""
        lacking = [record for record in self.finished if "weights" not in record.files]
        methods = ",".join(dict.fromkeys(record.method for record in lacking))
        return [
            f"{len(lacking)} finished cells kept no weights ({methods}); the same command with "
            "--force trains them again and keeps them."
        ] * bool(lacking)


def make(
    datasets: Sequence[Dataset],
    methods: Sequence[str],
    seeds: Sequence[int],
    store: Store,
    *,
    protocol_name: str | None = None,
    network: str | None = None,
    validation: int | None = None,
    force: bool | Collection[str] = False,
) -> Plan:
    """Return the plan; seeds vary slowest, so every method has a number early.

    Raises UsageError for names that do not exist, LtbenchError for a finished cell whose record
    was made with other settings than now or does not read, unless `force` is given: for all
    methods, or for those that it names or that have a part of the name.
    """
    for name in {network or data.info.network for data in datasets}:
        check_network(name)
    check_methods(methods)
    store.check_readable()
    built = [build(specification) for specification in methods]
    for dataset in datasets:
        for method in built:
            check_kind(method, dataset)
        dataset.class_counts()  # raises where a class would be empty
    protocols = [protocol_of(protocol_name, data.info, validation) for data in datasets]
    resolved = [[_Resolved.of(m, protocol) for m in built] for protocol in protocols]
    gathered = _Gathered(store, force)
    for seed in seeds:
        for dataset, members in zip(datasets, resolved, strict=True):
            for one in members:
                gathered.add(one, one.job(dataset, network or dataset.info.network, seed))
    shortenings = {
        shortened(p, data.info): None for p, data in zip(protocols, datasets, strict=True)
    }
    warnings = (*filter(None, shortenings), *gathered.warnings())
    return Plan(
        tuple(gathered.cells), tuple(gathered.finished), tuple(gathered.jobs.values()), warnings
    )


def with_method(job: Job, specification: str) -> Job:
    """Return the training of another method, all else being a job's; it fills no cell."""
    whole = _Resolved.of(build(specification), job.protocol)
    return replace(whole.job(job.dataset, job.network, job.seed), cells=(), fingerprints=())


@dataclass(frozen=True)
class _Resolved:
    """A method under a protocol: itself, what of it is trained, and the first stage of that."""

    protocol: Protocol
    whole: Identity
    trained: Identity
    stages: tuple[Stage, ...]
    first: "_Resolved | None"

    @classmethod
    def of(cls, method: Method, protocol: Protocol) -> "_Resolved":
        trained, recipe = trained_part(method), protocol.recipe()
        first = shared_first_stage(trained, recipe)
        whole = Identity.of(method, protocol)
        return cls(
            protocol,
            whole,
            whole if trained is method else Identity.of(trained, protocol),
            trained.stages(recipe),
            None if first is None else cls.of(first, protocol),
        )

    def provenance(self) -> Provenance:
        """Return the provenance of a run computed now: method version, files and code hashes."""
        own = self.whole
        return Provenance(
            tuple(sorted(own.versions.items())), tuple(sorted(own.code.items())), source_state(),
            tuple(sorted(own.sources.items())),
        )  # fmt: skip

    def job(self, dataset: Dataset, network: str, seed: int) -> Job:
        """Return the training of one seed, with the one cell that the method fills."""
        key = (str(dataset), network, self.protocol, seed)
        first = None if self.first is None else self.first.job(dataset, network, seed)
        cell = Cell(str(dataset), self.protocol.specification, network, self.whole.method, seed)
        return Job(
            dataset=dataset,
            protocol=self.protocol,
            network=network,
            trained=self.trained.method,
            identity=self.trained,
            seed=seed,
            fingerprint=self.trained.fingerprint(*key),
            size=TrainingSize.of(self.stages, self.protocol, dataset),
            cells=(cell,),
            fingerprints=(self.whole.fingerprint(*key),),
            first_stage=None if first is None else replace(first, cells=(), fingerprints=()),
        )


@dataclass
class _Gathered:
    """The cells of a plan so far: each once, finished or in the job that trains it."""

    store: Store
    force: bool | Collection[str]
    cells: dict[Cell, None] = field(default_factory=dict)
    finished: list[Record] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)  # by the training's fingerprint
    computed: dict[Cell, dict[int, Provenance]] = field(default_factory=dict)  # by cell of seed 0
    planned: dict[Cell, set[int]] = field(default_factory=dict)  # seeds to run, by cell of seed 0

    def add(self, method: _Resolved, job: Job) -> None:
        """Take up a job's one cell, unless it is there already.

        Raises LtbenchError for a record of other settings, or one that does not read.
        """
        (cell,) = job.cells
        if cell in self.cells:
            return
        self.cells[cell] = None
        anew = self._is_forced(cell.method)
        record = None if anew else self.store.read(cell)
        if record is not None:
            method.whole.check(record, job.fingerprint_of(cell), self.store.path(cell))
        by_seed = self.computed.setdefault(replace(cell, seed=0), {})
        by_seed[cell.seed] = method.provenance() if record is None else provenance_of(record)
        if record is None:
            self.planned.setdefault(replace(cell, seed=0), set()).add(cell.seed)
            self._train(job, anew)
        else:
            self.finished.append(record)

    def _is_forced(self, method: str) -> bool:
        if isinstance(self.force, bool):
            return self.force
        return method in self.force or any(term.name in self.force for term in parse(method))

    def _train(self, job: Job, anew: bool) -> None:
        """Add a job, or its cell to the job that trains the same."""
        if (earlier := self.jobs.get(job.fingerprint)) is not None:
            fingerprints = earlier.fingerprints + job.fingerprints
            job = replace(earlier, cells=earlier.cells + job.cells, fingerprints=fingerprints)
        self.jobs[job.fingerprint] = replace(job, anew=job.anew or anew)

    def warnings(self) -> Iterator[str]:
        """Yield a warning for each cell whose seeds differ in version, code or images."""
        for cell, by_seed in self.computed.items():
            for record in self.store.seed_records(cell):
                by_seed.setdefault(record.seed, provenance_of(record))
            mean = joined(cell.method, cell.dataset, by_seed, self.planned.get(cell, ()))
            if mean.refusal:
                yield mean.refusal
            elif mean.remark:
                seeds = ",".join(map(str, sorted(by_seed)))
                yield (
                    f"{mean.remark.removesuffix('.')}; --seeds {seeds} --force trains them all "
                    "again, --results keeps them apart."
                )


_SECOND_STAGE_HOOKS = {"stages", "begin_stage"}  # hooks that leave the first stage as it is


def shared_first_stage(method: Method, recipe: Recipe) -> Method | None:
    """Return the method whose whole training is a method's first stage, or None.

    It is plain training with the same modifiers: the base must change nothing but what follows,
    and the first stage must be, field by field, the plain method's only one.
    """
    base, *modifiers = parts_of(method)
    if not overrides(base) <= _SECOND_STAGE_HOOKS or type(base).setup is not Method.setup:
        return None
    stages = method.stages(recipe)
    if len(stages) < 2:
        return None
    whole = build("+".join([baseline(), *map(describe, modifiers)]))
    return whole if whole.stages(recipe) == stages[:1] else None
