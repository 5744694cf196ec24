"""How far seeds lie apart, from the records there are."""

import math
from collections.abc import Iterable, Mapping
from statistics import variance

from ltbench.evaluation.scores import TITLES
from ltbench.evaluation.selection import Selection
from ltbench.runs.record import Record
from ltbench.statistics.pooling import Deviation, varies
from ltbench.tables.metrics import METRICS, Metric

# Until records tell: users of published codes saw 0.3 to 0.6 points between seeds. A shot group is
# about a third of the classes, so it spreads by the root of three more.
USUAL = 0.45
USUAL_OF_SHOTS = USUAL * math.sqrt(3)


def usual(metric: Metric) -> Deviation:
    """Return the deviation assumed of a metric without records, of no degrees of freedom."""
    return Deviation(USUAL if metric in TITLES else USUAL_OF_SHOTS, 0)


class SeedDeviations:
    """Deviations between seeds by data set, network, protocol and metric.

    Ratios and methods of a data set are pooled: a rough figure, of use only before a cell has seeds
    of its own. Networks and protocols are not: a few epochs of a small network spread otherwise.
    """

    def __init__(self, records: Iterable[Record]) -> None:
        scores_of: dict[tuple[str, str, str, str], dict[Metric, list[float]]] = {}
        for record in records:
            key = (record.dataset, record.protocol, record.network, record.method)
            for metric, quantity in METRICS.items():
                found = (
                    quantity.read(record, Selection.LAST)
                    if quantity.tolerance is not None
                    else None
                )
                if found is not None:
                    scores_of.setdefault(key, {}).setdefault(metric, []).append(found)
        squares: dict[tuple[str, str, str, Metric], list[tuple[float, int]]] = {}
        for (dataset, protocol, network, _), scores in scores_of.items():
            for metric, values in scores.items():
                if len(values) > 1 and varies(values):
                    key = (dataset.partition("(")[0], network, protocol, metric)
                    part = variance(values), len(values) - 1
                    squares.setdefault(key, []).append(part)
        self._found: Mapping[tuple[str, str, str, Metric], Deviation] = {
            key: _pooled(parts) for key, parts in squares.items()
        }

    def of(self, name: str, network: str, protocol: str, metric: Metric) -> Deviation:
        """Return the deviation on a data set of that name, or the usual one.

        Seeds that all score the same, as where no image of a group is recognised, measure nothing.
        """
        return self._found.get((name, network, protocol, metric)) or usual(metric)


def _pooled(parts: list[tuple[float, int]]) -> Deviation:
    freedom = sum(degrees for _, degrees in parts)
    square = sum(variance_ * degrees for variance_, degrees in parts) / freedom
    return Deviation(math.sqrt(square), freedom)
