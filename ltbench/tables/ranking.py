"""Methods ranked over data sets, from the records of one protocol."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean

from ltbench.errors import LtbenchError
from ltbench.evaluation.scores import TITLES
from ltbench.runs.provenance import joined_cells
from ltbench.runs.record import Record
from ltbench.runs.store import Cell
from ltbench.statistics.ranks import Ranks, rank

RankedSetting = tuple[str, str]  # data set and network
LEAST = 3  # methods that all data sets share
LEAST_SETTINGS = 2


@dataclass(frozen=True)
class Ranking:
    """The mean headline metric of every method on every data set, and the ranks by it."""

    protocol: str
    settings: tuple[RankedSetting, ...]
    means: dict[str, list[float]]  # by method, one a setting
    metric: str  # the headline metrics of the settings, as papers print them
    ranks: Ranks | None  # None of a single setting
    left_out: tuple[str, ...]  # methods that did not run on all of the settings
    others: tuple[RankedSetting, ...]  # settings that share too few methods with these
    problems: tuple[str, ...] = ()  # seeds that may have no mean
    remarks: tuple[str, ...] = ()  # what to know of those that are joined

    @property
    def order(self) -> list[str]:
        """Return the methods, best first."""
        ranks = self.ranks.ranks if self.ranks is not None else {}
        return sorted(self.means, key=lambda method: (ranks.get(method, 0), -self.means[method][0]))

    @property
    def caption(self) -> str:
        """Return the caption: data sets, Friedman's test and the critical difference."""
        ranks = self.ranks
        by = f"mean {self.metric} of the last epoch, protocol {self.protocol}"
        if ranks is None:
            return (
                f"By {by}. Ranks and their test need {LEAST} methods that ran on the same "
                f"{LEAST_SETTINGS} data sets."
            )
        return (
            f"Mean rank over {ranks.datasets} data sets by {by}. Friedman's test: "
            f"p = {ranks.p_value:.2g}; ranks closer than {ranks.critical:.1f} are not told apart "
            "(Nemenyi, 5 %)."
        )


def ranking(records: Iterable[Record], protocol: str) -> Ranking:
    """Rank the methods over the most data sets that share three, else order those of one.

    Raises LtbenchError where the protocol has no records.
    """
    every = list(records)
    scores: dict[RankedSetting, dict[str, list[float]]] = {}
    metrics: dict[RankedSetting, str] = {}
    joined = joined_cells(chosen := [each for each in every if each.protocol == protocol])
    for record in chosen:
        if not joined[replace(Cell.of(record), seed=0)].refusal:
            metrics[record.dataset, record.network] = TITLES[record.metric]
            methods = scores.setdefault((record.dataset, record.network), {})
            methods.setdefault(record.method, []).append(record.headline)
    problems = tuple(each.refusal for each in joined.values() if each.refusal)
    if not scores:
        there = ", ".join(sorted({each.protocol for each in every})) or "none"
        why = " ".join(problems) or f"protocols that have records: {there}."
        raise LtbenchError(f"nothing to rank under protocol {protocol}; {why}")
    settings = _settings(scores)
    common = _common(scores, settings)
    means = {method: [fmean(scores[setting][method]) for setting in settings] for method in common}
    ran = dict.fromkeys(method for methods in scores.values() for method in methods)
    return Ranking(
        protocol=protocol,
        settings=settings,
        means=means,
        metric=" and ".join(dict.fromkeys(metrics[setting] for setting in settings)),
        ranks=rank(means),
        left_out=tuple(method for method in ran if method not in common),
        others=tuple(setting for setting in scores if setting not in settings),
        problems=problems,
        remarks=tuple(each.remark for each in joined.values() if each.remark),
    )


def _settings(scores: Mapping[RankedSetting, Mapping[str, object]]) -> tuple[RankedSetting, ...]:
    """Return the most settings that share enough methods, else the one with the most methods."""
    for size in range(len(scores), LEAST_SETTINGS - 1, -1):
        found = max(combinations(scores, size), key=lambda each: len(_common(scores, each)))
        if len(_common(scores, found)) >= LEAST:
            return found
    return (max(scores, key=lambda setting: len(scores[setting])),)


def _common(
    scores: Mapping[RankedSetting, Mapping[str, object]], settings: Sequence[RankedSetting]
) -> list[str]:
    first, *others = (scores[setting] for setting in settings)
    return [method for method in first if all(method in other for other in others)]
