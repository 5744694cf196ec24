"""The table that ends a run: methods on one data set, against the first of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from ltbench.data.profile import SHOTS
from ltbench.evaluation.scores import TITLES, Headline
from ltbench.runs.record import Record, by_setting
from ltbench.statistics.estimates import LEAST, Estimate, mean_interval, paired_difference
from ltbench.tables.cells import MARK
from ltbench.tables.relative_cost import repeated_cost, timing_of

RECIPE_MARK = "R"  # behind the value of a method trained by its own recipe
CAPTIONS: dict[Headline, str] = {"top1": "Test accuracy", "mAP": "Mean average precision"}


@dataclass(frozen=True)
class MethodRow:
    """One method, by the headline metric; `dataclasses.asdict` makes it JSON."""

    method: str
    n: int
    headline: Estimate
    many: float | None
    medium: float | None
    few: float | None
    difference: Estimate | None  # null for the first method, and without common seeds
    time: float | None  # wall time of training, time relative to the first method's, on one machine
    transductive: bool  # whether it reads all test images at once
    own_recipe: bool  # whether it is trained by its own recipe in place of the protocol's

    @property
    def marks(self) -> str:
        """Return the marks behind its accuracy."""
        marks = [MARK] * self.transductive + [RECIPE_MARK] * self.own_recipe
        return "".join(f" {mark}" for mark in marks)


@dataclass(frozen=True)
class Comparison:
    """The methods that ran on one data set, network and protocol, in the order given."""

    dataset: str
    network: str
    protocol: str
    lines: tuple[MethodRow, ...]
    reference: str = ""  # the method that was to be compared with, where it has no record here
    metric: Headline = "top1"

    @property
    def caption(self) -> str:
        """Return the caption: what the columns hold, and why there are no differences if so."""
        measured = any(line.headline.half_width is not None for line in self.lines)
        means = "95 % t-interval over seeds" if measured else "mean over seeds"
        words = (
            f"{CAPTIONS[self.metric]} in percent: last epoch, {means}; "
            "difference to the first method over the seeds both have"
        )
        lacking = f"; no difference and no time, for {self.reference} has no record"
        reads_all = f"; {MARK}: transductive, its predictions depend on all test images at once"
        recipe = (
            f"; {RECIPE_MARK}: trained by its own batch, rate, weight decay or schedule in place "
            "of the protocol's, perhaps by other views of the images (`ltbench show`)"
        )
        marked = any(line.transductive for line in self.lines)
        own = any(line.own_recipe for line in self.lines)
        return f"{words}{lacking if self.reference else ''}{reads_all * marked}{recipe * own}"

    @property
    def places(self) -> dict[str, int]:
        """Return the places by mean accuracy of the methods that have one; equal means share it.

        They are of the number of seeds, from three on, that most methods have: other means are over
        other seeds. Transductive methods have none.
        """
        fair = [line for line in self.lines if line.n >= LEAST and not line.transductive]
        counts = Counter(line.n for line in fair)
        usual = max(counts, key=lambda n: (counts[n], n), default=None)
        means = {line.method: line.headline.mean for line in fair if line.n == usual}
        return {
            method: 1 + sum(other > mean for other in means.values())
            for method, mean in means.items()
        }


def compare(records: Iterable[Record], reference: str | None = None) -> list[Comparison]:
    """Return one comparison for each data set, network and protocol, in order of appearance.

    With the first method of each, or with `reference` and nothing else where that is given.
    """
    return [_comparison(*key, methods, reference) for key, methods in by_setting(records).items()]


def headers(comparison: Comparison) -> tuple[str, ...]:
    """Return the titles of the columns."""
    return ("method", "n", TITLES[comparison.metric], *SHOTS, "difference", "time")


def cells(line: MethodRow) -> tuple[str, ...]:
    """Return a line as text, in the order of `headers`."""
    shots = ["--" if shot is None else f"{shot:.1f}" for shot in (line.many, line.medium, line.few)]
    time = "--" if line.time is None else f"{line.time:.2f}x"
    headline = f"{line.headline}{line.marks}"
    return (line.method, str(line.n), headline, *shots, _difference(line), time)


def _comparison(
    dataset: str, network: str, protocol: str, methods: dict[str, list[Record]], wanted: str | None
) -> Comparison:
    first = methods.get(next(iter(methods)) if wanted is None else wanted)
    lines = tuple(_line(method, records, first) for method, records in methods.items())
    (metric,) = {record.metric for records in methods.values() for record in records}
    lacking = "" if first is not None else wanted or ""
    return Comparison(dataset, network, protocol, lines, lacking, metric)


def _line(method: str, records: list[Record], first: list[Record] | None) -> MethodRow:
    scores = _by_seed(records)
    alone = first is None or records is first
    return MethodRow(
        method=method,
        n=len(scores),
        headline=mean_interval(list(scores.values())),
        many=_mean([record.last.many for record in records]),
        medium=_mean([record.last.medium for record in records]),
        few=_mean([record.last.few for record in records]),
        difference=None if alone else paired_difference(scores, _by_seed(first or [])),
        time=repeated_cost(map(timing_of, records), map(timing_of, first or [])),
        transductive=any(record.transductive for record in records),
        own_recipe=any(record.own_recipe for record in records),
    )


def _by_seed(records: list[Record]) -> dict[int, float]:
    return {record.seed: record.headline for record in records}


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _difference(line: MethodRow) -> str:
    """Return the difference, with the number of common seeds where it is not the method's."""
    difference = line.difference
    if difference is None:
        return "--"
    text = str(difference) if difference.mean < 0 else f"+{difference}"
    return text if difference.n == line.n else f"{text} (n = {difference.n})"
