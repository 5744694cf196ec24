"""What a training costs on this machine: from records made on it, else from a few timed steps."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, get_args

import torch

from ltbench.data.info import DatasetInfo
from ltbench.data.loading import check_there
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.precision import device_of, threads_for
from ltbench.errors import LtbenchError
from ltbench.runs.environment import device_name
from ltbench.runs.execute import Workspace
from ltbench.runs.files import write_file
from ltbench.runs.plan import Job, with_method
from ltbench.runs.record import Record
from ltbench.runs.step_time import StepTime, measure_step_time
from ltbench.runs.store import Store

Basis = Literal["records", "steps of records", "scaled steps", "timed steps", "unknown"]


@dataclass(frozen=True)
class CostEstimate:
    """Seconds of one training, None if unknown, and what they are estimated from."""

    seconds: float | None
    basis: Basis
    reason: str = ""  # why it is unknown


@dataclass(frozen=True)
class CostKey:
    """What a step's time depends on; ratio, epochs and seed only change how many there are."""

    dataset: str  # its name alone
    network: str
    trained: str
    batch_size: int
    precision: str
    threads: int


class CostModel:
    """Estimates the costs of trainings; `say` is told which is timed, since that takes seconds."""

    def __init__(
        self,
        records: Iterable[Record],
        workspace: Workspace,
        say: Callable[[str], None] = lambda words: None,
    ) -> None:
        self.workspace, self.say = workspace, say
        self.machine = device_name(device_of(workspace.device))
        self._cells: dict[tuple[str, ...], list[float]] = {}
        self._step_times: dict[CostKey, list[StepTime]] = {}
        self._timed: dict[CostKey, StepTime | str] = {}
        self._data: dict[str, str] = {}  # why a data set cannot be read
        self._known: dict[str, CostEstimate] = {}  # by the training's fingerprint
        for record in records:
            if record.environment.device == self.machine:
                self._learn(record)

    def price(self, job: Job) -> CostEstimate:
        """Return the cost of a whole job: as if nothing of it were done or shared."""
        if job.fingerprint not in self._known:
            self._known[job.fingerprint] = self._price(job)
        return self._known[job.fingerprint]

    def _price(self, job: Job) -> CostEstimate:
        key = _key_of(job)
        cell = (*_cell(job), str(key.threads))
        if cell in self._cells:
            return CostEstimate(fmean(self._cells[cell]), "records")
        size = job.size
        if key in self._step_times:
            return CostEstimate(
                fmean(each.seconds(size) for each in self._step_times[key]), "steps of records"
            )
        if lacking := self._lacking(job.dataset.info):
            return CostEstimate(None, "unknown", lacking)
        found = self._timed_steps(job, key)
        if isinstance(found, str):
            return CostEstimate(None, "unknown", found)
        scale = self._scale(job, key)
        if scale is None:
            return CostEstimate(found.seconds(size), "timed steps")
        return CostEstimate(scale * found.seconds(size), "scaled steps")

    def _learn(self, record: Record) -> None:
        if record.method != record.trained:
            return  # it took no training of its own
        cost, settings = record.cost, record.settings
        threads = record.environment.threads
        cell = (record.dataset, record.protocol, record.network, record.trained, str(threads))
        self._cells.setdefault(cell, []).append(cost.train_seconds + cost.evaluate_seconds)
        evaluations = record.last.epoch / settings["evaluate_every"] + 1
        kind = CostKey(
            record.dataset.partition("(")[0], record.network, record.trained,
            settings["batch_size"], settings["precision"], threads,
        )  # fmt: skip
        found = StepTime(cost.train_seconds / cost.steps, 0.0, cost.evaluate_seconds / evaluations)
        self._step_times.setdefault(kind, []).append(found)

    def _lacking(self, info: DatasetInfo) -> str:
        """Return why a data set cannot be read, or nothing; a price is no reason to download."""
        if info.name not in self._data:
            try:
                check_there(info, self.workspace.data)
                self._data[info.name] = ""
            except LtbenchError as error:
                self._data[info.name] = str(error)
        return self._data[info.name]

    def _timed_steps(self, job: Job, key: CostKey) -> StepTime | str:
        """Return the step time of a job's first steps, or why it has none; timed once a key."""
        if key not in self._timed:
            self.say(f"timing steps of {job.trained} on {job.dataset.info.title}")
            try:
                with threads_for(job.dataset.info.shape):
                    self._timed[key] = measure_step_time(job, self.workspace)
            except Exception as error:  # a training that cannot begin has no price, and says why
                self._timed[key] = str(error) or type(error).__name__
        return self._timed[key]

    def _scale(self, job: Job, key: CostKey) -> float | None:
        """Return the ratio of recorded training times to those estimated by steps timed now.

        Of another method on the same data and network, if there is one: a machine that is busy now
        makes all methods' steps seem longer alike.
        """
        for other in self._step_times:
            if replace(other, trained=job.trained) == key:
                try:
                    reference = with_method(job, other.trained)
                except LtbenchError:
                    continue  # of a file that was not loaded this time
                timed = self._timed_steps(reference, other)
                if isinstance(timed, str):
                    continue
                recorded = fmean(each.seconds(reference.size) for each in self._step_times[other])
                return recorded / timed.seconds(reference.size)
        return None


def _cell(job: Job) -> tuple[str, ...]:
    return str(job.dataset), job.protocol.specification, job.network, job.trained


def _key_of(job: Job) -> CostKey:
    protocol, info = job.protocol, job.dataset.info
    with threads_for(info.shape):
        threads = torch.get_num_threads()
    return CostKey(
        str(job.dataset).partition("(")[0], job.network, job.trained,
        protocol.batch_size, protocol.precision, threads,
    )  # fmt: skip


@dataclass
class PaidTrainings:
    """Trainings whose cost is counted already: each, and each first stage, counts once."""

    prices: CostModel
    trained: set[str]  # fingerprints

    @classmethod
    def of(cls, jobs: Iterable[Job], prices: CostModel, store: Store) -> "PaidTrainings":
        """Return the trainings whose finished checkpoints are in the store, which cost nothing."""
        wanted = {fingerprint for job in jobs for fingerprint in _fingerprints(job)}
        return cls(prices, {each for each in wanted if is_kept(each, store)})

    def cost(self, jobs: Sequence[Job]) -> CostEstimate:
        """Return the price of jobs beyond what is bought; unknown if one of them is."""
        total, seen, worst = 0.0, set(self.trained), CostEstimate(0.0, "records")
        for job in jobs:
            price = self.prices.price(job)
            if price.seconds is None:
                return price
            worst = max(worst, price, key=lambda each: _TRUST.index(each.basis))
            if job.fingerprint in seen:
                continue
            total += price.seconds
            first = job.first_stage
            if first is not None and first.fingerprint in seen:
                total -= min(self.prices.price(first).seconds or 0.0, price.seconds)
            seen |= _fingerprints(job)
        return CostEstimate(total, worst.basis)

    def buy(self, jobs: Sequence[Job]) -> None:
        """Count jobs as paid for."""
        for job in jobs:
            self.trained |= _fingerprints(job)


_TRUST: tuple[Basis, ...] = get_args(Basis)  # the most trusted first


def _fingerprints(job: Job) -> set[str]:
    first = job.first_stage
    return {job.fingerprint} | ({first.fingerprint} if first is not None else set())


def first_stage_sources(jobs: Sequence[Job], store: Store) -> dict[str, str]:
    """Return where each job's first stage comes from, by the job's fingerprint.

    `kept`: an earlier command trained it; `shared`: an earlier job of this plan; `own`: this one.
    """
    found: dict[str, str] = {}
    trained: set[str] = set()
    for job in jobs:
        if job.first_stage is not None:
            fingerprint = job.first_stage.fingerprint
            at_hand = (
                "shared"
                if fingerprint in trained
                else "kept"
                if is_kept(fingerprint, store)
                else "own"
            )
            found[job.fingerprint] = at_hand
        trained |= _fingerprints(job)
    return found


def is_kept(fingerprint: str, store: Store) -> bool:
    """Return whether a training's checkpoint is at hand and finished."""
    return Checkpoint(store.checkpoint_path(fingerprint), write_file).state() == "finished"


def estimate(jobs: Sequence[Job], workspace: Workspace, workers: int = 1) -> float:
    """Return the seconds that jobs will take on this machine, by records or by timed steps.

    A training that has no price, as one that cannot take its first steps, counts nothing here: it
    fails when its turn comes, and does not stop the rest.
    """
    store = Store(workspace.results)
    names = sorted({job.dataset.info.name for job in jobs})
    prices = CostModel((record for name in names for record in store.records(name)), workspace)
    paid, total = PaidTrainings.of(jobs, prices, store), 0.0
    paid.trained -= {job.fingerprint for job in jobs if job.anew}
    for job in jobs:
        total += paid.cost([job]).seconds or 0.0
        paid.buy([job])
    return total / min(workers, max(len(jobs), 1))
