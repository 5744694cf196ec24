"""Training time relative to another method's: on one machine, never across two."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ltbench.runs.record import SHORTEST, Record

REPEATED = 1.2  # times the shortest training: a second one within it, and neither was disturbed
MEANING = (
    "time is the shortest training on the clock relative to the first method's, on one machine, "
    "where a second one took at most a fifth longer"
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

    None where no machine ran both; a time that no training can take counts nothing.
    """
    both = _on_one_machine(ours, base)
    return None if both is None else min(both[0]) / min(both[1])


def repeated_cost(ours: Iterable[TrainingTime], base: Iterable[TrainingTime]) -> float | None:
    """Return the relative cost where it repeats: where both sides' two shortest times agree.

    A machine with other work makes trainings several times longer, one or all of a method.
    """
    both = _on_one_machine(ours, base)
    if both is None or not all(map(_repeats, both)):
        return None
    return min(both[0]) / min(both[1])


def _repeats(seconds: list[float]) -> bool:
    first, *second = sorted(seconds)[:2]
    return bool(second) and second[0] <= REPEATED * first


def _on_one_machine(
    ours: Iterable[TrainingTime], base: Iterable[TrainingTime]
) -> tuple[list[float], list[float]] | None:
    """Return both sides' seconds on the machine that has most runs of both."""
    own, other = ([each for each in side if each.seconds >= SHORTEST] for side in (ours, base))
    there = {each.machine for each in other}
    common = Counter(each.machine for each in own if each.machine in there)
    if not common:
        return None
    ((machine, _),) = common.most_common(1)
    of_own, of_other = (
        [each.seconds for each in side if each.machine == machine] for side in (own, other)
    )
    return of_own, of_other
