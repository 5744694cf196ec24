"""What a training costs on this machine: from records made on it, else from a few timed steps."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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

Basis = Literal["records", "steps of records", "scaled probe", "probe", "unknown"]


@dataclass(frozen=True)
class Price:
    """Seconds of one training, and what they are estimated from; None where nothing tells."""

    seconds: float | None
    basis: Basis
    reason: str = ""  # why it is unknown


@dataclass(frozen=True)
class Kind:
    """What a step's time depends on; ratio, epochs and seed only change how many there are."""

    dataset: str  # its name alone
    network: str
    trained: str
    batch_size: int
    precision: str
    threads: int


class Prices:
    """Prices of trainings; `say` hears what is being timed, for that takes seconds each."""

    def __init__(self, records: Iterable[Record], place: Place, say: Callable[[str], None]) -> None:
        self.place, self.say = place, say
        self.machine = device_name(device_of(place.device))
        self._cells: dict[tuple[str, ...], list[float]] = {}
        self._paces: dict[Kind, list[Pace]] = {}
        self._probed: dict[Kind, Pace | str] = {}
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
        key = _kind(job)
        cell = (*_cell(job), str(key.threads))
        if cell in self._cells:
            return Price(fmean(self._cells[cell]), "records")
        size = Size.of(job)
        if key in self._paces:
            return Price(fmean(each.seconds(size) for each in self._paces[key]), "steps of records")
        if lacking := self._lacking(job.dataset.info):
            return Price(None, "unknown", lacking)
        found = self._probe(job, key)
        if isinstance(found, str):
            return Price(None, "unknown", found)
        scale = self._scale(job, key)
        if scale is None:
            return Price(found.seconds(size), "probe")
        return Price(scale * found.seconds(size), "scaled probe")

    def _learn(self, record: Record) -> None:
        if record.method != record.trained:
            return  # it took no training of its own
        cost, settings = record.cost, record.settings
        threads = record.environment.threads
        cell = (record.dataset, record.protocol, record.network, record.trained, str(threads))
        self._cells.setdefault(cell, []).append(cost.train_seconds + cost.evaluate_seconds)
        looks = record.last.epoch / settings["evaluate_every"] + 1
        kind = Kind(
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

    def _probe(self, job: Job, key: Kind) -> Pace | str:
        """Return the pace of a job's first steps, or why it has none; timed once for its kind."""
        if key not in self._probed:
            self.say(f"timing steps of {job.trained} on {job.dataset.info.title}")
            try:
                with threads_for(job.dataset.info.shape):
                    self._probed[key] = pace(job, self.place)
            except Exception as error:  # a training that cannot begin has no price, and says why
                self._probed[key] = str(error) or type(error).__name__
        return self._probed[key]

    def _scale(self, job: Job, key: Kind) -> float | None:
        """Return what training takes in records over what it would by steps timed now.

        Of another method on the same data and network, if there is one: a machine that is busy now
        makes all methods' steps seem longer alike.
        """
        for other in self._paces:
            if replace(other, trained=job.trained) == key:
                reference = replace(job, trained=other.trained, first_stage=None)
                timed, size = self._probe(reference, other), Size.of(reference)
                if isinstance(timed, str):
                    continue
                recorded = fmean(each.seconds(size) for each in self._paces[other])
                return recorded / timed.seconds(size)
        return None


def _cell(job: Job) -> tuple[str, ...]:
    return str(job.dataset), job.protocol.specification, job.network, job.trained


def _kind(job: Job) -> Kind:
    rules, info = job.protocol, job.dataset.info
    with threads_for(info.shape):
        threads = torch.get_num_threads()
    return Kind(info.name, job.network, job.trained, rules.batch_size, rules.precision, threads)
