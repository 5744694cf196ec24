"""Accuracy of single classes, in bins where there are many."""

from itertools import pairwise
from statistics import fmean

from ltbench.report.evidence import Group

BINS = 12


def by_count(group: Group) -> list[tuple[float, float]]:
    """Return training images and accuracy in percent, means over seeds, the largest class first.

    Classes that are neighbours by their count share a bin where there are more than twelve; those
    without a test image are left out.
    """
    counts = group.records[0].data.class_counts
    scores = [record.last for record in group.records]
    hits = [sum(each) for each in zip(*(score.correct for score in scores), strict=True)]
    seen = [sum(each) for each in zip(*(score.total for score in scores), strict=True)]
    ranked = [place for place in range(len(counts)) if seen[place]]
    ranked.sort(key=lambda place: -counts[place])
    bins = min(BINS, len(ranked))
    edges = [round(place * len(ranked) / bins) for place in range(bins + 1)]
    parts = [ranked[start:stop] for start, stop in pairwise(edges)]
    return [
        (
            fmean(max(counts[place], 1) for place in part),  # the axis is logarithmic
            fmean(100 * hits[place] / seen[place] for place in part),
        )
        for part in parts
    ]
