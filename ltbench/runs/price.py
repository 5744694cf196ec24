"""What a training costs on this machine: from records made on it, else from a few timed steps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import torch

from ltbench.data.catalog import DatasetInfo
from ltbench.data.datasets import read
from ltbench.engine.precision import device_of, threads_for
from ltbench.errors import LtbenchError
from ltbench.runs.environment import device_name
from ltbench.runs.execute import Place
from ltbench.runs.plan import Job
from ltbench.runs.probe import Pace, Size, pace
from ltbench.runs.record import Record

Basis = Literal["records", "steps of records", "probe", "unknown"]


@dataclass(frozen=True)
class Price:
    """Seconds of one training, and what they are estimated from; None where nothing tells."""

    seconds: float | None
    basis: Basis
    reason: str = ""  # why it is unknown


class Prices:
    """Prices of trainings; `say` hears what is being timed, for that takes seconds each.

    Steps are timed, or taken from records, of one data set, network, method, batch and precision;
    ratio, epochs and seed only change how many there are.
    """

    def __init__(self, records: Iterable[Record], place: Place, say: Callable[[str], None]) -> None:
        self.place, self.say = place, say
        self.machine = device_name(device_of(place.device))
        self._cells: dict[tuple[str, ...], list[float]] = {}
        self._paces: dict[tuple[object, ...], list[Pace]] = {}
        self._probed: dict[tuple[object, ...], Pace | str] = {}
        self._data: dict[str, str] = {}  # why a data set cannot be read
        self._known: dict[str, Price] = {}  # by the training's fingerprint
        for record in records:
            if record.environment.device == self.machine:
                self._learn(record)

    def price(self, job: Job) -> Price:
        """Return what a job costs when nothing of it is done or shared."""
        if job.fingerprint not in self._known:
            self._known[job.fingerprint] = self._price(job)
        return self._known[job.fingerprint]

    def _price(self, job: Job) -> Price:
        threads = _threads(job)
        cell = (*_cell(job), str(threads))
        if cell in self._cells:
            return Price(fmean(self._cells[cell]), "records")
        size, key = Size.of(job), (*_kind(job), threads)
        if key in self._paces:
            return Price(fmean(each.seconds(size) for each in self._paces[key]), "steps of records")
        if lacking := self._lacking(job.dataset.info):
            return Price(None, "unknown", lacking)
        if key not in self._probed:
            self.say(f"timing steps of {job.trained} on {job.dataset.info.title}")
            self._probed[key] = self._probe(job)
        found = self._probed[key]
        if isinstance(found, str):
            return Price(None, "unknown", found)
        return Price(found.seconds(size), "probe")

    def _learn(self, record: Record) -> None:
        if record.method != record.trained:
            return  # it took no training of its own
        cost, settings = record.cost, record.settings
        threads = record.environment.threads
        cell = (record.dataset, record.protocol, record.network, record.trained, str(threads))
        self._cells.setdefault(cell, []).append(cost.train_seconds + cost.evaluate_seconds)
        looks = record.last.epoch / settings["evaluate_every"] + 1
        kind = (
            record.dataset.partition("(")[0], record.network, record.trained,
            settings["batch_size"], settings["precision"], threads,
        )  # fmt: skip
        found = Pace(cost.train_seconds / cost.steps, 0.0, cost.evaluate_seconds / looks)
        self._paces.setdefault(kind, []).append(found)

    def _lacking(self, info: DatasetInfo) -> str:
        """Return why a data set cannot be read, or nothing; a price is no reason to download."""
        if info.name not in self._data:
            try:
                read(info, self.place.data, download=False)
                self._data[info.name] = ""
            except LtbenchError as error:
                self._data[info.name] = str(error)
        return self._data[info.name]

    def _probe(self, job: Job) -> Pace | str:
        try:
            with threads_for(job.dataset.info.shape):
                return pace(job, self.place)
        except Exception as error:  # a training that cannot begin has no price, and says why
            return str(error) or type(error).__name__


def _cell(job: Job) -> tuple[str, ...]:
    return str(job.dataset), job.protocol.specification, job.network, job.trained


def _kind(job: Job) -> tuple[object, ...]:
    rules = job.protocol
    return job.dataset.info.name, job.network, job.trained, rules.batch_size, rules.precision


def _threads(job: Job) -> int:
    with threads_for(job.dataset.info.shape):
        return torch.get_num_threads()
