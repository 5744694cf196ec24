"""What a training costs on this machine: from records made on it, else from a few timed steps."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean
from typing import get_args

from ltbench.data.info import DatasetInfo
from ltbench.data.loading import check_there
from ltbench.engine.checkpoint import Checkpoint
from ltbench.engine.precision import device_of
from ltbench.errors import LtbenchError
from ltbench.runs.files import write_file
from ltbench.runs.plan import Job, with_method
from ltbench.runs.record import Record
from ltbench.runs.recorded_cost import Basis, CostEstimate, Costs, RecordedCosts
from ltbench.runs.store import Store
from ltbench.runs.timing import CostKey, StepTimer
from ltbench.runs.workspace import Workspace


class CostModel:
    """Estimates the costs of trainings, by records of this machine or by its timer."""

    def __init__(self, records: Iterable[Record], timer: StepTimer) -> None:
        self.timer = timer
        self._recorded = RecordedCosts(any_threads=device_of(timer.workspace.device).type != "cpu")
        self._data: dict[str, str] = {}  # why a data set cannot be read
        self._known: dict[str, CostEstimate] = {}  # by the training's fingerprint
        for record in records:
            here = record.environment
            if here.device == timer.machine and here.processes == 1:
                self._recorded.learn(record)

    def expect(self, jobs: Iterable[Job]) -> None:
        """Tell the timer how many trainings the costs of jobs will make it time."""
        asked = {CostKey.of(job): job for job in jobs if self._recorded.cost(job) is None}
        self.timer.expected = sum(
            not self._lacking(job.dataset.info)
            and self.timer.recall(job, self._references(job)) is None
            for job in asked.values()
        )

    def cost(self, job: Job) -> CostEstimate:
        """Return the cost of a whole job: as if nothing of it were done or shared."""
        if job.fingerprint not in self._known:
            self._known[job.fingerprint] = self._cost(job)
        return self._known[job.fingerprint]

    def _cost(self, job: Job) -> CostEstimate:
        if (recorded := self._recorded.cost(job)) is not None:
            return recorded
        if lacking := self._lacking(job.dataset.info):
            return CostEstimate(None, "unknown", lacking)
        references = self._references(job)
        found = self.timer.timing(job, references)
        if isinstance(found, str):
            return CostEstimate(None, "unknown", found)
        seconds = found.own.seconds(job.size)
        if found.reference is None or found.beside is None:
            return CostEstimate(seconds, "timed steps")
        reference = references[found.reference]
        recorded_times = self._recorded.step_times[self._recorded.key(CostKey.of(reference))]
        recorded_seconds = fmean(each.seconds(reference.size) for each in recorded_times)
        scale = recorded_seconds / found.beside.seconds(reference.size)
        return CostEstimate(scale * seconds, "scaled steps")

    def _lacking(self, info: DatasetInfo) -> str:
        """Return why a data set cannot be read, or nothing; a cost is no reason to download."""
        if info.name not in self._data:
            try:
                check_there(info, self.timer.workspace.data)
                self._data[info.name] = ""
            except LtbenchError as error:
                self._data[info.name] = str(error)
        return self._data[info.name]

    def _references(self, job: Job) -> dict[str, Job]:
        """Return trainings of other methods on the same data and network that have records.

        What theirs took over what their steps seem to take is how much too long the job's steps
        seem on a machine that is busy as they are timed.
        """
        key, found = self._recorded.key(CostKey.of(job)), {}
        for other in self._recorded.step_times:
            if replace(other, trained=job.trained) == key:
                with suppress(LtbenchError):  # of a file that was not loaded this time
                    found[other.trained] = with_method(job, other.trained)
        return found


@dataclass
class PaidTrainings:
    """Trainings whose cost is counted already: each, and each first stage, counts once."""

    costs: Costs
    trained: set[str]  # fingerprints

    @classmethod
    def of(cls, jobs: Iterable[Job], costs: Costs, store: Store) -> "PaidTrainings":
        """Return the trainings whose finished checkpoints are in the store, which cost nothing."""
        wanted = {fingerprint for job in jobs for fingerprint in _fingerprints(job)}
        return cls(costs, {each for each in wanted if is_kept(each, store)})

    def cost(self, jobs: Sequence[Job]) -> CostEstimate:
        """Return the seconds of jobs beyond what is paid for; None if one has no estimate."""
        total, seen, worst = 0.0, set(self.trained), CostEstimate(0.0, "records")
        for job in jobs:
            cost = self.costs.cost(job)
            if cost.seconds is None:
                return cost
            worst = max(worst, cost, key=lambda each: _TRUST.index(each.basis))
            if job.fingerprint in seen:
                continue
            total += cost.seconds
            first = job.first_stage
            if first is not None and first.fingerprint in seen:
                total -= min(self.costs.cost(first).seconds or 0.0, cost.seconds)
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


def estimate(
    jobs: Sequence[Job], workspace: Workspace, workers: int = 1, costs: Costs | None = None
) -> float:
    """Return the seconds that jobs will take, on this machine unless `costs` are of another.

    A training without a known cost, as one whose first steps fail, counts nothing: it
    fails when its turn comes, and does not stop the rest.
    """
    store = Store(workspace.results)
    if costs is None:
        names = sorted({job.dataset.info.name for job in jobs})
        records = (record for name in names for record in store.records(name))
        costs = CostModel(records, StepTimer(workspace, lambda words: None))
    paid, total = PaidTrainings.of(jobs, costs, store), 0.0
    paid.trained -= {job.fingerprint for job in jobs if job.anew}
    for job in jobs:
        total += paid.cost([job]).seconds or 0.0
        paid.buy([job])
    return total / min(workers, max(len(jobs), 1))
