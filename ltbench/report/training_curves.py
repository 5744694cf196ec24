"""Training curves: means over seeds, and few enough points for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from ltbench.errors import LtbenchError
from ltbench.figures.curves import Line, columns_of
from ltbench.report.settings import MethodRuns
from ltbench.runs.record import Record
from ltbench.runs.store import Store
from ltbench.runs.unit import file_of

MOST = 60  # points of a curve; more of them no figure of this size can show
_Curve = dict[int, float]  # by epoch


@dataclass(frozen=True)
class TrainingCurves:
    """One method's curves, means over the seeds that have them."""

    method: str
    loss: list[tuple[int, float]]  # epoch, mean loss of the training steps
    score: list[tuple[int, float]]  # epoch, headline metric on the test set in percent
    problems: tuple[str, ...]  # why a file of theirs is left out

    def __bool__(self) -> bool:
        return bool(self.loss or self.score)


def curves(store: Store, runs: MethodRuns) -> TrainingCurves:
    """Return a method's curves; empty where no file beside the records reads."""
    problems: list[str] = []
    read = [_read(store, record, problems) for record in runs.records]
    loss, score = (_mean(found) for found in zip(*read, strict=True))
    return TrainingCurves(runs.method, loss, score, tuple(problems))


def _read(store: Store, record: Record, problems: list[str]) -> tuple[_Curve, _Curve]:
    wanted = ("loss", record.metric)
    found: Mapping[str, Line] = {}
    try:
        path = file_of(store, record, "curves")
        found = columns_of(path, wanted)[0] if path else {}
        if path and not any(found.values()):
            lacking = " and no ".join(wanted)
            problems.append(f"{path} has no {lacking} of any epoch; the record stands without it.")
    except LtbenchError as error:
        problems.append(str(error))  # curves are beside a record: without them it stands
    except ValueError as error:
        problems.append(f"{path} does not read: {error}")
    loss, score = ({p.epoch: p.value for p in found.get(name, ())} for name in wanted)
    return loss, score


def _mean(found: Sequence[_Curve]) -> list[tuple[int, float]]:
    """Return the mean at the epochs that all seeds with a curve have, thinned evenly."""
    present = [curve for curve in found if curve]
    if not present:
        return []
    epochs = sorted(set.intersection(*map(set, present)))
    if len(epochs) > MOST:
        step = (len(epochs) - 1) / (MOST - 1)
        epochs = [epochs[round(index * step)] for index in range(MOST)]
    return [(epoch, fmean(curve[epoch] for curve in present)) for epoch in epochs]


BINS = 12


def by_count(runs: MethodRuns) -> list[tuple[float, float]]:
    """Return training images and accuracy in percent, means over seeds, the largest class first.

    Classes that are neighbours by their count share a bin where there are more than twelve; those
    without a test image are left out.
    """
    counts = runs.records[0].data.class_counts
    means: dict[int, float] = {}
    for label, own in enumerate(zip(*(each.last.per_class for each in runs.records), strict=True)):
        if present := [value for value in own if value is not None]:
            means[label] = fmean(present)
    ranked = list(means)
    ranked.sort(key=lambda label: -counts[label])
    bins = min(BINS, len(ranked))
    edges = [round(label * len(ranked) / bins) for label in range(bins + 1)]
    parts = [ranked[start:stop] for start, stop in pairwise(edges)]
    return [
        (
            fmean(max(counts[label], 1) for label in part),  # the axis is logarithmic
            fmean(means[label] for label in part),
        )
        for part in parts
    ]
