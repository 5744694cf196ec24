"""What analyses say beside accuracy: how flat minima are, how well unknown classes are told apart.

A line is what one method has in one setting: data set, network, protocol and the analysis's own.
Values are means over seeds with intervals; a shot group's is the mean over its classes.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ltbench.analysis.results import Result, every
from ltbench.data.catalog import dataset
from ltbench.data.profile import SHOTS
from ltbench.runs.files import csv_text
from ltbench.runs.protocol import shots_under
from ltbench.runs.store import Store
from ltbench.statistics.estimates import Estimate, mean_interval
from ltbench.tables.definition import Table

FLATNESS = ("lambda_max", "trace", "filter_trace")
FORMULAS = ("f_new", "f_old", "f_micro")
OPEN_SET = (*FORMULAS, "f_never_rejecting", "f_above_never_rejecting", "auroc")
DECIMALS = {**dict.fromkeys(FLATNESS, 1), **dict.fromkeys(OPEN_SET, 3)}

Values = dict[str, float]


@dataclass(frozen=True)
class Line:
    """A method in a setting, and in a group of it: a shot group, or unknown images and a score."""

    setting: str
    method: str
    group: str
    values: dict[str, Estimate]
    seeds: tuple[int, ...]


def flatness(table: Table, store: Store) -> list[Line]:
    """Return eigenvalue and traces by shot group of the table's methods on its data sets."""
    methods = [
        (row.method_on(column.data), column.dataset)
        for row in table.definition.rows for column in table.definition.columns
    ]  # fmt: skip
    wanted = {pair: place for place, pair in reversed(list(enumerate(methods)))}
    results = [r for r in every(store, "hessian") if _of(r) in wanted]
    return list(_lines(sorted(results, key=lambda r: wanted[_of(r)]), _flat))


def open_set(store: Store) -> list[Line]:
    """Return F by three formulas, F_0, F - F_0 and AUROC, of every run that has them."""
    return list(_lines(every(store, "openset"), _open))


def _of(result: Result) -> tuple[str | None, str]:
    return result.header["method"], result.header["dataset"]


def _lines(
    results: Iterable[Result], read: Callable[[Result], dict[str, Values]]
) -> Iterator[Line]:
    runs: dict[tuple[str, str], dict[int, dict[str, Values]]] = {}
    for result in results:
        head = result.header
        setting = f"{head['dataset']}, {head['network']}, {head['protocol']}; {head['settings']}"
        runs.setdefault((setting, head["method"]), {})[int(head["seed"])] = read(result)
    for setting, method in sorted(runs, key=lambda key: key[0]):
        seeds = runs[setting, method]
        for group in next(iter(seeds.values())):
            names = dict.fromkeys(name for found in seeds.values() for name in found[group])
            yield Line(
                setting, method, group,
                {n: mean_interval([s[group][n] for s in seeds.values()]) for n in names},
                tuple(seeds),
            )  # fmt: skip


def _flat(result: Result) -> dict[str, Values]:
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


def _open(result: Result) -> dict[str, Values]:
    """Return values by set, score and decision; thresholds on held-out images where there are."""
    found: dict[str, Values] = {}
    for row in result.where(shots="all"):
        if row["decision"]:
            name = f"{row['unknown']}, {row['score']}, {row['decision']} threshold"
            found.setdefault(name, {})[row["quantity"]] = row["value"]
    for name, values in found.items():
        unknown, score, _ = name.split(", ")
        shared = {**_one(result, unknown, None), **_one(result, unknown, score)}
        found[name] = {key: (values | shared)[key] for key in OPEN_SET}
    return found


def _one(result: Result, unknown: str, score: str | None) -> Values:
    rows = result.where(unknown=unknown, score=score, decision=None, shots="all")
    return {row["quantity"]: row["value"] for row in rows}


def as_csv(lines: list[Line]) -> str:
    """Return a line for each value; six digits."""
    head = ("setting", "method", "group", "quantity", "value", "ci95", "n", "seeds")
    rows: list[tuple[Any, ...]] = [head]
    for line in lines:
        seeds = " ".join(map(str, line.seeds))
        for name, each in line.values.items():
            half = "" if each.half_width is None else f"{each.half_width:.6g}"
            value = f"{each.mean:.6g}"
            rows.append((line.setting, line.method, line.group, name, value, half, each.n, seeds))
    return csv_text(rows)


def markdown(lines: list[Line]) -> str:
    """Return a Markdown table a setting: a row a method and group, a column a quantity."""
    parts: list[str] = []
    for setting in dict.fromkeys(line.setting for line in lines):
        here = [line for line in lines if line.setting == setting]
        names = list(here[0].values)
        heads = ["method", "group", *(NAMES[name] for name in names), "n"]
        rows = [heads, ["---", "---", *["--:"] * (len(names) + 1)]]
        rows += [cells(line) for line in here]
        parts += [f"{setting}\n", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join(parts)


NAMES = {
    "lambda_max": "largest eigenvalue", "trace": "trace", "filter_trace": "filter-normalised trace",
    "f_new": "F new", "f_old": "F old", "f_micro": "F micro", "f_never_rejecting": "F0",
    "f_above_never_rejecting": "F - F0", "auroc": "AUROC",
}  # fmt: skip


def cells(line: Line) -> list[str]:
    """Return a line's texts: method, group, the values with their intervals, n."""
    numbers = [each.text(DECIMALS[name]) for name, each in line.values.items()]
    return [line.method, line.group, *numbers, str(len(line.seeds))]
