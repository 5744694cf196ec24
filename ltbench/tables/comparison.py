"""The table that ends a run: methods on one data set, against the first of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from ltbench.runs.record import Record
from ltbench.statistics.estimates import Estimate, mean_interval, paired_difference
from ltbench.tables.relative_cost import relative_cost, timing_of

CAPTION = (
    "Test accuracy in percent: last epoch, 95 % t-interval over seeds; "
    "difference to the first method over the seeds both have"
)


@dataclass(frozen=True)
class MethodRow:
    """One method; `dataclasses.asdict` makes it JSON."""

    method: str
    n: int
    top1: Estimate
    many: float | None
    medium: float | None
    few: float | None
    difference: Estimate | None  # null for the first method, and without common seeds
    cost: float | None  # training time relative to the first method's, on one machine


@dataclass(frozen=True)
class Comparison:
    """The methods that ran on one data set, network and protocol, in the order given."""

    dataset: str
    network: str
    protocol: str
    lines: tuple[MethodRow, ...]


def compare(records: Iterable[Record]) -> list[Comparison]:
    """Return one comparison for each data set, network and protocol, in order of appearance."""
    groups: dict[tuple[str, str, str], dict[str, list[Record]]] = {}
    for record in records:
        methods = groups.setdefault((record.dataset, record.network, record.protocol), {})
        methods.setdefault(record.method, []).append(record)
    return [Comparison(*key, _lines(methods)) for key, methods in groups.items()]


HEADERS = ("method", "n", "top-1", "many", "medium", "few", "difference", "cost")


def cells(line: MethodRow) -> tuple[str, ...]:
    """Return a line as text, in the order of HEADERS."""
    shots = ["--" if shot is None else f"{shot:.1f}" for shot in (line.many, line.medium, line.few)]
    cost = "--" if line.cost is None else f"{line.cost:.2f}x"
    return (line.method, str(line.n), str(line.top1), *shots, _signed(line.difference), cost)


def markdown(comparison: Comparison, costs: Mapping[str, str] | None = None) -> str:
    """Return the accuracies of a comparison as a Markdown table with its caption.

    Costs are those given, by method; the records' own are of the machine and its load at the time,
    so they do not last. With costs come ranks by mean accuracy, among methods with as many seeds as
    the first.
    """
    rows = [HEADERS, *map(cells, comparison.lines)]
    lines = [list(row[:-1]) for row in rows]
    if costs is not None:
        alike = [line for line in comparison.lines if line.n == comparison.lines[0].n]
        best = sorted(alike, key=lambda line: line.top1.mean, reverse=True)
        ranks = {line.method: str(number) for number, line in enumerate(best, 1)}
        lines = [["rank", *lines[0], "cost"]] + [
            [ranks.get(line[0], "--"), *line, costs.get(line[0], "--")] for line in lines[1:]
        ]
    lines.insert(1, ["---" if head == "method" else "--:" for head in lines[0]])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    title = f"{comparison.dataset}, {comparison.network}, protocol {comparison.protocol}"
    return f"{table}\n\n{title}. {CAPTION}."


def _lines(methods: dict[str, list[Record]]) -> tuple[MethodRow, ...]:
    first = next(iter(methods.values()))
    return tuple(
        _line(method, records, None if records is first else first)
        for method, records in methods.items()
    )


def _line(method: str, records: list[Record], first: list[Record] | None) -> MethodRow:
    top1 = _by_seed(records)
    difference = paired_difference(top1, _by_seed(first)) if first is not None else None
    base = map(timing_of, records if first is None else first)
    return MethodRow(
        method=method,
        n=len(top1),
        top1=mean_interval(list(top1.values())),
        many=_mean([record.last.many for record in records]),
        medium=_mean([record.last.medium for record in records]),
        few=_mean([record.last.few for record in records]),
        difference=difference,
        cost=relative_cost(map(timing_of, records), base),
    )


def _by_seed(records: list[Record]) -> dict[int, float]:
    return {record.seed: record.last.top1 for record in records}


def _mean(values: list[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return fmean(present) if present else None


def _signed(difference: Estimate | None) -> str:
    if difference is None:
        return "--"
    return str(difference) if difference.mean < 0 else f"+{difference}"
