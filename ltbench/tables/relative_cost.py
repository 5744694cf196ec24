"""Training time relative to another method's: on one machine, never across two."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ltbench.runs.record import IN_FLOAT32, SHORTEST, Record

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
    how = IN_FLOAT32 if any(each.endswith(IN_FLOAT32) for each in record.deviations) else ""
    return TrainingTime((f"{at.device}{how}", at.threads, at.processes), record.cost.train_seconds)


def relative_cost(ours: Iterable[TrainingTime], base: Iterable[TrainingTime]) -> float | None:
    """Return the shortest time over the base's, on the machine that both have most runs of.

    None where no machine ran both; a time that no training can take counts nothing.
    """
    return next((min(own) / min(other) for own, other in _by_machine(ours, base)), None)


def repeated_cost(ours: Iterable[TrainingTime], base: Iterable[TrainingTime]) -> float | None:
    """Return the relative cost where it repeats: where both sides' two shortest times agree.

    A machine with other work makes trainings several times longer, one or all of a method.
    """
    both = (each for each in _by_machine(ours, base) if all(map(_repeats, each)))
    return next((min(own) / min(other) for own, other in both), None)


def _repeats(seconds: list[float]) -> bool:
    first, *second = sorted(seconds)[:2]
    return bool(second) and second[0] <= REPEATED * first


def _by_machine(
    ours: Iterable[TrainingTime], base: Iterable[TrainingTime]
) -> Iterator[tuple[list[float], list[float]]]:
    """Yield both sides' seconds on each machine that ran both, the one with most runs first."""
    own, other = ([each for each in side if each.seconds >= SHORTEST] for side in (ours, base))
    there = {each.machine for each in other}
    common = Counter(each.machine for each in own if each.machine in there)
    for machine, _ in common.most_common():
        of_own, of_other = (
            [each.seconds for each in side if each.machine == machine] for side in (own, other)
        )
        yield of_own, of_other
