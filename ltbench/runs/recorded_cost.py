"""What trainings cost by records of them: on one device, or on devices that this machine lacks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, Protocol

from ltbench.runs.plan import Job
from ltbench.runs.record import Record
from ltbench.runs.step_time import StepTime
from ltbench.runs.timing import CostKey

Basis = Literal["records", "steps of records", "scaled steps", "timed steps", "unknown"]


@dataclass(frozen=True)
class CostEstimate:
    """Seconds of one training, None if unknown, and what they are estimated from."""

    seconds: float | None
    basis: Basis
    reason: str = ""  # why it is unknown


class Costs(Protocol):
    """Estimates the costs of trainings."""

    def cost(self, job: Job) -> CostEstimate:
        """Return the cost of a whole job: as if nothing of it were done or shared."""


class RecordedCosts:
    """The costs of trainings that records of one device tell.

    Records by another number of CPU threads count only with `any_threads`: a GPU does not mind.
    """

    def __init__(self, *, any_threads: bool = False) -> None:
        self.any_threads = any_threads
        self.step_times: dict[CostKey, list[StepTime]] = {}
        self._cells: dict[tuple[str, ...], list[float]] = {}

    def learn(self, record: Record) -> None:
        """Take up a record."""
        if record.method != record.trained:
            return  # it took no training of its own
        cost, settings, key = record.cost, record.settings, self.key(CostKey.of_record(record))
        cell = (record.dataset, record.protocol, record.network, record.trained, str(key.threads))
        self._cells.setdefault(cell, []).append(cost.train_seconds + cost.evaluate_seconds)
        fraction = settings.get("fraction", 1.0)
        evaluations = (record.last.epoch / settings["evaluate_every"] + 1) * fraction
        found = StepTime(cost.train_seconds / cost.steps, 0.0, cost.evaluate_seconds / evaluations)
        self.step_times.setdefault(key, []).append(found)

    def cost(self, job: Job) -> CostEstimate | None:
        """Return what records say of a job, None if they say nothing."""
        key = self.key(CostKey.of(job))
        cell = (
            str(job.dataset), job.protocol.specification, job.network, job.trained,
            str(key.threads),
        )  # fmt: skip
        if cell in self._cells:
            return CostEstimate(fmean(self._cells[cell]), "records")
        if key in self.step_times:
            times = [each.seconds(job.size) for each in self.step_times[key]]
            return CostEstimate(fmean(times), "steps of records")
        return None

    def key(self, key: CostKey) -> CostKey:
        """Return a training's key as it is kept here."""
        return replace(key, threads=0) if self.any_threads else key


class CostsElsewhere:
    """The costs of trainings on GPUs that this machine lacks: by records of GPUs alone.

    Where those are of several models, the slowest counts.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        self.models: dict[str, RecordedCosts] = {}
        for record in records:
            made = record.environment
            if made.cuda is not None and made.processes == 1:
                costs = self.models.setdefault(made.device, RecordedCosts(any_threads=True))
                costs.learn(record)

    def cost(self, job: Job) -> CostEstimate:
        """Return the cost of a whole job; unknown where no record of a GPU tells it."""
        found = [cost for each in self.models.values() if (cost := each.cost(job)) is not None]
        if not found:
            return CostEstimate(None, "unknown", "no record of it was made by a GPU")
        return max(found, key=lambda each: each.seconds or 0.0)
