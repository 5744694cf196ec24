"""Training time relative to another method's: on one machine, never across two."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ltbench.runs.record import SHORTEST, Record

MEANING = (
    "time is the shortest training on the clock relative to the first method's, on one machine"
)


class TrainingTime(NamedTuple):
    """The training seconds of a run on a machine: a device, its threads and its processes."""

    machine: tuple[str, int, int]
    seconds: float


def timing_of(record: Record) -> TrainingTime:
    """Return how long a record's training took, and where."""
    at = record.environment
    return TrainingTime((at.device, at.threads, at.processes), record.cost.train_seconds)


def relative_cost(ours: Iterable[TrainingTime], base: Iterable[TrainingTime]) -> float | None:
    """Return the shortest time over the base's, on the machine that both have most runs of.

    The shortest is the least disturbed. None where no machine ran both; a time that no training
    can take counts nothing.
    """
    own, other = ([each for each in side if each.seconds >= SHORTEST] for side in (ours, base))
    there = {each.machine for each in other}
    common = Counter(each.machine for each in own if each.machine in there)
    if not common:
        return None
    ((machine, _),) = common.most_common(1)
    fastest, reference = (
        min(each.seconds for each in side if each.machine == machine) for side in (own, other)
    )
    return fastest / reference
