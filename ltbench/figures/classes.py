"""The accuracy of every class from records, beside how many training images it has.

The first method of a figure is shown as it is, the others by what they gain over it, class by
class on the seeds that both have.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from ltbench.data.profile import SHOTS
from ltbench.evaluation.selection import Selection
from ltbench.figures.definition import Figure
from ltbench.figures.recorded import FigureRecords, records_of
from ltbench.runs.files import csv_text, four_decimals
from ltbench.runs.record import Record
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval, paired_difference
from ltbench.tables.metrics import scores_at

FIELDS = (
    "method", "class", "training_images", "shots", "dataset", "network", "protocol", "select",
    "accuracy", "ci95", "n", "seeds", "gain", "gain_ci95", "gain_n",
)  # fmt: skip


_BySeed = dict[int, dict[int | str, float]]  # accuracies by seed, then by class or shot group


@dataclass(frozen=True)
class Bars:
    """One method: its accuracy in percent by class, and by shot group, over its seeds.

    Gains are those over the figure's first method, on shared seeds: none of the first itself, nor
    where no seed is shared.
    """

    method: str
    seeds: tuple[int, ...]
    accuracy: tuple[Estimate, ...]  # by class
    groups: dict[str, float]  # mean over the classes of each group there is
    gains: tuple[Estimate, ...] = ()  # by class
    group_gains: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class PerClass(FigureRecords):
    """The records of a figure by class, the classes in the order of their training images."""

    order: tuple[int, ...]  # classes, most images first
    counts: tuple[int, ...]  # training images, in that order
    shots: tuple[str, ...]  # the group of each, in that order
    bars: tuple[Bars, ...]


def per_class(
    figure: Figure, store: Store, protocol: str | None = None, select: Selection = Selection.LAST
) -> PerClass:
    """Return a figure's bars; methods without records are left out and named.

    Raises LtbenchError where there are no records at all, or of different training images, and
    UsageError for a choice on held-out images under a protocol that holds none out.
    """
    read = records_of(figure, store, protocol, select)
    found = read.records
    drawn = [record for records in found.values() for record in records.values()]
    counts, groups = drawn[0].data.class_counts, drawn[0].shots()
    seen = [s.last.total for records in found.values() for s in records.values()]
    tested = (label for label in range(len(counts)) if all(total[label] for total in seen))
    order = tuple(sorted(tested, key=lambda label: -counts[label]))
    first = read.cell.method
    by_seed = {method: _by_seed(records, order, select) for method, records in found.items()}
    return PerClass(
        **vars(read),
        order=order,
        counts=tuple(counts[label] for label in order),
        shots=tuple(groups[label] for label in order),
        bars=tuple(
            _bars(method, own, {} if method == first else by_seed.get(first, {}), order)
            for method, own in by_seed.items()
        ),
    )


def _by_seed(records: dict[int, Record], order: tuple[int, ...], select: Selection) -> _BySeed:
    found = {}
    for seed, record in records.items():
        scores = scores_at(record, select)
        assert scores is not None
        values = {label: scores.per_class[label] for label in order}
        every = values | {group: getattr(scores, group) for group in SHOTS}
        found[seed] = {key: value for key, value in every.items() if value is not None}
    return found


def _bars(method: str, own: _BySeed, base: _BySeed, order: tuple[int, ...]) -> Bars:
    def over_seeds(of: _BySeed, key: int | str) -> dict[int, float]:
        return {seed: values[key] for seed, values in of.items() if key in values}

    accuracy = tuple(mean_interval([*over_seeds(own, label).values()]) for label in order)
    groups = {group: fmean(each) for group in SHOTS if (each := over_seeds(own, group).values())}
    keys: list[int | str] = [*order, *groups]
    found = {key: paired_difference(over_seeds(own, key), over_seeds(base, key)) for key in keys}
    gains = {key: gain for key, gain in found.items() if gain is not None}
    return Bars(
        method, tuple(own), accuracy, groups,
        tuple(gains[label] for label in order if label in gains),
        {group: gains[group].mean for group in groups if group in gains},
    )  # fmt: skip


def as_csv(found: PerClass) -> str:
    """Return one line for each method and class; four decimals."""
    return csv_text([FIELDS, *_rows(found)])


def _rows(found: PerClass) -> Iterator[tuple[Any, ...]]:
    for bars in found.bars:
        gains: Sequence[Estimate | None] = bars.gains or [None] * len(bars.accuracy)
        for label, count, shots, each, gain in zip(
            found.order, found.counts, found.shots, bars.accuracy, gains, strict=True
        ):
            yield (
                bars.method, label, count, shots, found.cell.dataset, found.cell.network,
                found.cell.protocol, found.select, four_decimals(each.mean),
                four_decimals(each.half_width), each.n, " ".join(map(str, bars.seeds)),
                *(("", "", "") if gain is None else
                  (four_decimals(gain.mean), four_decimals(gain.half_width), gain.n)),
            )  # fmt: skip
