"""Steps of trainings timed on this machine, and what earlier commands timed on it remembered.

The times lie in the user's cache folder, a file a timing, named by the hash of all they depend on.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from ltbench.engine.precision import device_of, threads_for
from ltbench.errors import LtbenchError
from ltbench.runs import step_time
from ltbench.runs.cache import keep, recalled
from ltbench.runs.code import hash_of
from ltbench.runs.environment import device_name
from ltbench.runs.plan import Job
from ltbench.runs.record import Record, fingerprint_of
from ltbench.runs.step_time import StepTime, measure_step_time
from ltbench.runs.workspace import Workspace


@dataclass(frozen=True)
class CostKey:
    """What a step's time depends on; ratio, epochs and seed only change how many there are."""

    dataset: str  # its name alone
    network: str
    trained: str
    batch_size: int
    norm_batch: int | None
    side: int | None  # of images, where the protocol says
    stored_side: int | None
    precision: str
    threads: int

    @classmethod
    def of(cls, job: Job) -> "CostKey":
        """Return the key of a job's training on this machine."""
        protocol, info = job.protocol, job.dataset.info
        with threads_for(info.shape):
            threads = torch.get_num_threads()
        return cls(
            str(job.dataset).partition("(")[0], job.network, job.trained,
            **_of_settings(protocol.model_dump()), threads=threads,
        )  # fmt: skip

    @classmethod
    def of_record(cls, record: Record) -> "CostKey":
        """Return the key of a record's training on the machine that it was made on."""
        return cls(
            record.dataset.partition("(")[0], record.network, record.trained,
            **_of_settings(record.settings), threads=record.environment.threads,
        )  # fmt: skip


def _of_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a protocol's fields a step's time depends on; old records lack some."""
    names = ("batch_size", "norm_batch", "side", "stored_side", "precision")
    return {name: settings.get(name) for name in names}


@dataclass(frozen=True)
class StepTiming:
    """The step time of a training, and of a reference timed beside it, if there was one.

    Both belong together: a machine that is busy makes all methods' steps seem longer alike.
    """

    own: StepTime
    reference: str | None = None  # the specification of one that has records
    beside: StepTime | None = None


class StepTimer:
    """Times steps, each training's once; `say` is called with which, since that takes seconds.

    With `again` nothing is remembered: what earlier commands timed is timed anew and replaced.
    """

    def __init__(
        self, workspace: Workspace, say: Callable[[str], None], *, again: bool = False
    ) -> None:
        self.workspace, self.say, self.again = workspace, say, again
        self.machine = device_name(device_of(workspace.device))
        self.expected = 0  # trainings that are to be timed now
        self.timed = 0
        self.remembered = 0
        self._found: dict[CostKey, StepTiming | str] = {}
        self._now: dict[CostKey, StepTime | str] = {}

    def timing(self, job: Job, references: Mapping[str, Job]) -> StepTiming | str:
        """Return a job's timing beside the first of the references that can be timed.

        Returns why it has none, where its steps cannot be timed.
        """
        key = CostKey.of(job)
        if key not in self._found:
            kept = self.recall(job, references)
            self.remembered += kept is not None
            self._found[key] = self._time(job, references) if kept is None else kept
        return self._found[key]

    def recall(self, job: Job, references: Mapping[str, Job]) -> StepTiming | None:
        """Return the timing of an earlier command, None if there is none beside a reference."""
        if self.again:
            return None
        try:
            kept = recalled(self._name(job))["timing"]
            beside = kept["beside"]
            timing = StepTiming(
                StepTime(**kept["own"]), kept["reference"], beside and StepTime(**beside)
            )
        except (KeyError, TypeError):  # none, or damaged
            return None
        fits = timing.reference in references if references else timing.reference is None
        return timing if fits else None

    def _time(self, job: Job, references: Mapping[str, Job]) -> StepTiming | str:
        self.timed += 1
        self.say(
            f"timing {self.timed} of {max(self.expected, self.timed)}: steps of {job.trained} "
            f"on {job.dataset.info.title}"
        )
        own = self._steps(job)
        if isinstance(own, str):
            return own
        timing = StepTiming(own)
        for name, reference in references.items():
            beside = self._steps(reference)
            if not isinstance(beside, str):
                timing = StepTiming(own, name, beside)
                break
        content = {"of": self._described(job), "timing": asdict(timing)}
        try:
            keep(self._name(job), content)
        except LtbenchError as error:  # the next command times it once more
            self.say(f"step times are not kept: {error}")
        return timing

    def _steps(self, job: Job) -> StepTime | str:
        """Return the step time of a job now, or why it has none."""
        key = CostKey.of(job)
        if key not in self._now:
            try:
                with threads_for(job.dataset.info.shape):
                    self._now[key] = measure_step_time(job, self.workspace)
            except Exception as error:  # a training that cannot begin has no step time
                self._now[key] = str(error) or type(error).__name__
        return self._now[key]

    def _described(self, job: Job) -> dict[str, Any]:
        """Return all that a job's step time depends on; no host name and no path."""
        own = job.identity
        versions = {"torch": torch.__version__, "code": own.code, "sources": own.sources}
        return {
            "machine": self.machine,
            "taken_by": hash_of(step_time),
            **asdict(CostKey.of(job)),
            **versions,
        }

    def _name(self, job: Job) -> str:
        return f"step_times/{fingerprint_of(self._described(job))[:16]}.json"
