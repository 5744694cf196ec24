"""Could a record have been computed as it says? Its code, versions, machine, time and memory.

Nobody but its author knows these; what no machine gives is refused all the same.
"""

import math
import re

from ltbench.runs.record import SHORTEST, Record

LONGEST = 1e9  # seconds of a training
MOST_MEMORY = 1e8  # MiB
MOST = 1e12  # of any other number
_VERSION, _COMMIT, _CODE = (
    re.compile(each) for each in (r"\d[\w.+!-]{0,39}", "[0-9a-f]{40}", "[0-9a-f]{12}")
)


def check_computation(record: Record) -> None:
    """Raise ValueError, saying which, for a value that no machine or version has."""
    _check_source(record)
    _check_cost(record)


def _check_source(record: Record) -> None:
    at = record.environment
    versions = [at.ltbench, at.python, at.torch, at.torchvision]
    versions += [] if at.cuda is None else [at.cuda]
    if not all(map(_VERSION.fullmatch, versions)):
        raise ValueError("ltbench, python, torch, torchvision or cuda has a version that is none")
    if at.commit is not None and not _COMMIT.fullmatch(at.commit):
        raise ValueError("its commit is no SHA-1")
    if (at.commit is None) != (at.dirty is None):
        raise ValueError("commit and dirty are known together or not at all")
    if not all(re.search("[A-Za-z]", name) for name in (at.device, at.platform)):
        raise ValueError("its device or platform has no name")
    hashes = record.code.items()
    if not all(re.fullmatch(r"[\w/]{1,100}", k) and _CODE.fullmatch(v) for k, v in hashes):
        raise ValueError("the hashes of its code are none")
    if not all(text.strip() for text in record.deviations):
        raise ValueError("it has a deviation without words")


def _check_cost(record: Record) -> None:
    cost = record.cost
    if not SHORTEST <= cost.train_seconds <= LONGEST or not 0 < cost.evaluate_seconds <= LONGEST:
        raise ValueError(
            f"it trained for {cost.train_seconds:g} and evaluated for {cost.evaluate_seconds:g} "
            "seconds, which no run does"
        )
    if max(cost.first_stage_seconds, cost.waited_seconds) > cost.train_seconds:
        raise ValueError("its first stage or its waiting took longer than all its training")
    memory, joules = cost.peak_memory_mib, cost.joules
    at = record.environment
    numbers = (cost.images_per_second, at.threads, at.processes, cost.parameters)
    possible = all(0 < number < MOST and math.isfinite(number) for number in numbers)
    possible &= memory is None or 1 <= memory <= MOST_MEMORY
    possible &= joules is None or 0 <= joules < MOST
    possible &= (cost.first_stage_joules or 0.0) <= (joules or 0.0)
    if not possible:
        raise ValueError("its memory, energy, parameters, speed or threads are those of no machine")
