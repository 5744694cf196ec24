"""Results of analyses over seeds: flatness of minima, and detection of unknown classes.

A row is one method in one setting: data set, network, protocol and the analysis's own settings.
Values are means over seeds with 95 % intervals; a shot group's is the mean over its classes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ltbench.analysis.results import Result, all_results
from ltbench.data.catalog import dataset
from ltbench.data.profile import SHOTS
from ltbench.runs.protocol import shots_under
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval

FLATNESS = ("lambda_max", "trace", "filter_trace")
FORMULAS = ("f_new", "f_old", "f_micro")
OPEN_SET = (*FORMULAS, "f_never_rejecting", "f_above_never_rejecting", "auroc")

Values = dict[str, float]


@dataclass(frozen=True)
class AnalysedRow:
    """Quantities of a method in a setting, of one group: shots, or unknown images and a score."""

    setting: str
    method: str
    group: str
    values: dict[str, Estimate]
    seeds: tuple[int, ...]


def flatness(cells: Sequence[tuple[str | None, str]], store: Store) -> list[AnalysedRow]:
    """Return eigenvalue and traces by shot group of methods on data sets, in the order given."""
    wanted = {pair: index for index, pair in reversed(list(enumerate(cells)))}
    results = [r for r in all_results(store, "hessian") if _of(r) in wanted]
    return list(_rows(sorted(results, key=lambda r: wanted[_of(r)]), _flatness))


def open_set(store: Store) -> list[AnalysedRow]:
    """Return F by three formulas, F_0, F - F_0 and AUROC, of every run that has them."""
    return list(_rows(all_results(store, "openset"), _open_set))


def _of(result: Result) -> tuple[str | None, str]:
    return result.header["method"], result.header["dataset"]


def _rows(
    results: Iterable[Result], read: Callable[[Result], dict[str, Values]]
) -> Iterator[AnalysedRow]:
    runs: dict[tuple[str, str], dict[int, dict[str, Values]]] = {}
    for result in results:
        head = result.header
        setting = f"{head['dataset']}, {head['network']}, {head['protocol']}; {head['settings']}"
        runs.setdefault((setting, head["method"]), {})[int(head["seed"])] = read(result)
    for setting, method in sorted(runs, key=lambda key: key[0]):
        seeds = runs[setting, method]
        for group in next(iter(seeds.values())):
            names = dict.fromkeys(name for found in seeds.values() for name in found[group])
            yield AnalysedRow(
                setting, method, group,
                {n: mean_interval([s[group][n] for s in seeds.values()]) for n in names},
                tuple(seeds),
            )  # fmt: skip


def _flatness(result: Result) -> dict[str, Values]:
    shots = shots_under(result.header["protocol"], dataset(result.header["dataset"]))
    found: dict[str, dict[str, list[float]]] = {}
    for row in result.rows:
        if row["quantity"] in FLATNESS:
            group = row["group"] if row["group"] in SHOTS else shots[int(row["group"])]
            found.setdefault(group, {}).setdefault(row["quantity"], []).append(row["value"])
    return {
        group: {name: sum(v) / len(v) for name, v in found[group].items()}
        for group in SHOTS if group in found
    }  # fmt: skip


def _open_set(result: Result) -> dict[str, Values]:
    """Return values by set, score and decision; thresholds on held-out images where there are."""
    found: dict[str, Values] = {}
    for row in result.where(shots="all"):
        if row["decision"]:
            name = f"{row['unknown']}, {row['score']}, {row['decision']} threshold"
            found.setdefault(name, {})[row["quantity"]] = row["value"]
    for name, values in found.items():
        unknown, score, _ = name.split(", ")
        shared = {**_values(result, unknown, None), **_values(result, unknown, score)}
        found[name] = {key: (values | shared)[key] for key in OPEN_SET}
    return found


def _values(result: Result, unknown: str, score: str | None) -> Values:
    rows = result.where(unknown=unknown, score=score, decision=None, shots="all")
    return {row["quantity"]: row["value"] for row in rows}
