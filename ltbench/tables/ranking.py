"""Methods ranked over data sets, from the records of one protocol."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean

from ltbench.errors import LtbenchError
from ltbench.runs.provenance import joined_cells
from ltbench.runs.record import Record
from ltbench.runs.store import Cell
from ltbench.statistics.ranks import Ranks, rank

Setting = tuple[str, str]  # data set and network
LEAST = 3  # methods on a data set


@dataclass(frozen=True)
class Ranking:
    """The mean headline metric of every method on every data set, and the ranks by it."""

    protocol: str
    settings: tuple[Setting, ...]
    means: dict[str, list[float]]  # by method, one a place
    ranks: Ranks
    left_out: tuple[str, ...]  # methods that did not run on all of the data sets
    problems: tuple[str, ...] = ()  # seeds that may have no mean
    remarks: tuple[str, ...] = ()  # what to know of those that are joined

    @property
    def caption(self) -> str:
        """Return the caption: data sets, Friedman's test and the critical difference."""
        ranks = self.ranks
        return (
            f"Mean rank over {ranks.datasets} data sets by mean top-1 of the last epoch, protocol "
            f"{self.protocol}. Friedman's test: p = {ranks.p_value:.2g}; ranks closer than "
            f"{ranks.critical:.1f} are not told apart (Nemenyi, 5 %)."
        )


def ranking(records: Iterable[Record], protocol: str) -> Ranking:
    """Rank the methods that ran on every data set with at least three methods.

    Raises LtbenchError where there are not two such data sets or three such methods.
    """
    scores: dict[Setting, dict[str, list[float]]] = {}
    told = joined_cells(chosen := [each for each in records if each.protocol == protocol])
    for record in chosen:
        if not told[replace(Cell.of(record), seed=0)].refusal:
            methods = scores.setdefault((record.dataset, record.network), {})
            methods.setdefault(record.method, []).append(record.headline)
    settings = [setting for setting, methods in scores.items() if len(methods) >= LEAST]
    every = list(dict.fromkeys(method for setting in settings for method in scores[setting]))
    common = [method for method in every if all(method in scores[setting] for setting in settings)]
    means = {method: [fmean(scores[setting][method]) for setting in settings] for method in common}
    ranks, problems = rank(means), tuple(said.refusal for said in told.values() if said.refusal)
    if ranks is None:
        raise LtbenchError(
            f"ranks need {LEAST} methods that ran on the same 2 data sets under protocol "
            f"{protocol}; here are {len(common)} on {len(settings)}: "
            f"{' '.join(problems) or 'run more of them.'}"
        )
    left_out = tuple(method for method in every if method not in common)
    return Ranking(
        protocol, tuple(settings), means, ranks, left_out, problems,
        tuple(said.remark for said in told.values() if said.remark),
    )  # fmt: skip
