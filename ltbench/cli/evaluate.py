"""`ltbench evaluate`: finished runs in other ways, from their stored logits."""

import csv
import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltbench.cli.options import Load, Results
from ltbench.cli.views.rows import Row, load_files, print_rows
from ltbench.errors import LtbenchError, UsageError
from ltbench.specification import split

if TYPE_CHECKING:
    from ltbench.runs.record import Record


class Format(StrEnum):
    """What is written to standard output instead of the means."""

    CSV = "csv"
    JSON = "json"


class FittedOn(StrEnum):
    """What temperature scaling is fitted on."""

    HELD_OUT = "held-out"
    TEST_HALVES = "test-halves"


def evaluate(
    methods: Annotated[
        str | None, typer.Option("--methods", help="Only these specifications.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Only these data sets.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Only this protocol.")] = None,
    thresholds: Annotated[
        list[str] | None,
        typer.Option(
            help="MANY,FEW: many above, few below, of images drawn, held-out ones too; may be "
            "repeated (without: 100,20)."
        ),
    ] = None,
    priors: Annotated[
        str, typer.Option(help="Test priors, such as forward50,uniform,backward50.")
    ] = "uniform",
    posthoc: Annotated[
        str | None, typer.Option(help="Post-hoc parts that act on logits; joined by + in order.")
    ] = None,
    temperature: Annotated[
        FittedOn | None,
        typer.Option(
            help="Also scale by a temperature fitted on held-out training images, or on either "
            "half of the test set for the other."
        ),
    ] = None,
    bins: Annotated[int, typer.Option(min=1, max=1000, help="Of the calibration error.")] = 15,
    results: Results = Path("results"),
    load: Load = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Write every row as csv or json.")
    ] = None,
) -> None:
    """Evaluate finished runs by other thresholds, test priors and post-hoc parts; trains nothing.

    A record is never changed: what is shown here stands in no table.
    """
    from ltbench.analysis.posthoc import EvaluationGrid, adjusting, commands, logits_of
    from ltbench.analysis.posthoc import evaluate as rows_of
    from ltbench.evaluation.label_shift import prior
    from ltbench.runs.store import Cell, Store

    load_files(load)
    if not split(priors):
        raise UsageError("--priors is empty; give uniform, forward50 or backward50.")
    ways = EvaluationGrid(
        tuple(map(_thresholds, thresholds or ["100,20"])),
        tuple(map(prior, split(priors))),
        tuple(split(posthoc or "")),
        None if temperature is None else temperature.value,
        bins,
    )
    for specification in ways.post_hoc:
        adjusting(specification)
    store = Store(results)
    records = _chosen(store.records(), methods, dataset, protocol)
    rows: list[dict[str, Any]] = []
    lacking: list[Record] = []
    problems: list[str] = []
    for record in records:
        try:
            logits = logits_of(record, store)
            if logits is None:
                lacking.append(record)
            else:
                rows += list(rows_of(record, logits, ways, problems.append))
        except UsageError:
            raise
        except LtbenchError as error:
            problems.append(str(error))
    for problem in [*store.problems, *problems]:
        print(f"ltbench: left out: {problem}", file=sys.stderr)
    if lacking:
        first, *_ = commands([Cell.of(record) for record in lacking], results)
        sentence = (
            f"{len(lacking)} of {len(records)} records have no logits in {results}/work, which is "
            f"not shared; `{first}` trains again and keeps them."
        )
        if not rows:
            raise LtbenchError(sentence)
        print(f"ltbench: left out: {sentence}", file=sys.stderr)
    if not rows:
        raise LtbenchError(
            f"no record in {results} could be evaluated; `ltbench status` lists them."
        )
    _write(rows, format_)


def _thresholds(text: str) -> tuple[int, int]:
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) != 2 or not all(part.isascii() and part.isdigit() for part in numbers):
        raise UsageError(f"--thresholds {text}: give two whole numbers, such as 100,20.")
    many, few = map(int, numbers)
    if few > many + 1:
        raise UsageError(f"--thresholds {text}: a class would be many and few; exchange them.")
    return many, few


def _chosen(
    records: Iterable["Record"], methods: str | None, dataset: str | None, protocol: str | None
) -> list["Record"]:
    """Return the records that the filters let through; raises LtbenchError where none is left."""
    from ltbench.api.registry import build, describe
    from ltbench.data.catalog import dataset as dataset_of

    named = None if methods is None else {describe(build(each)) for each in split(methods)}
    sets = None if dataset is None else split(dataset)
    # A name alone means every ratio.
    exact = {each if "(" not in each else str(dataset_of(each)) for each in sets or []}
    found = [
        record
        for record in records
        if (named is None or record.method in named)
        and (sets is None or exact & {record.dataset, record.dataset.partition("(")[0]})
        and (protocol is None or record.protocol == protocol)
    ]
    if not found:
        raise LtbenchError("no record fits; `ltbench status` lists those that there are.")
    return found


def _write(rows: list[dict[str, Any]], format_: Format | None) -> None:
    if format_ is Format.JSON:
        print(json.dumps(rows, indent=1, ensure_ascii=False))
    elif format_ is Format.CSV:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        _show(rows)


_PLACE = ("dataset", "network", "protocol")
_WAY = ("method", "post_hoc", "test_prior", "many_above", "few_below")
_MEANS = {"many": 1, "medium": 1, "few": 1, "calibration_error": 1, "log_loss": 3,
          "temperature": 2}  # fmt: skip
_HEADS = {
    "post_hoc": "post-hoc", "test_prior": "test prior", "many_above": "many >",
    "few_below": "few <", "calibration_error": "ECE", "log_loss": "log loss", "temperature": "T",
}  # fmt: skip


def _show(rows: list[dict[str, Any]]) -> None:
    """Print means over seeds, a table for each data set, network and protocol."""
    varying = ["method", *(key for key in _WAY[1:] if len({row[key] for row in rows}) > 1)]
    measured = [key for key in _MEANS if any(row[key] is not None for row in rows)]
    places: dict[tuple[Any, ...], dict[tuple[Any, ...], list[dict[str, Any]]]] = {}
    for row in rows:
        ways = places.setdefault(tuple(row[key] for key in _PLACE), {})
        ways.setdefault(tuple(row[key] for key in _WAY), []).append(row)
    for place, ways in places.items():
        lines = [_line(members, varying, measured) for members in ways.values()]
        print_rows(lines, title=f"{place[0]}, {place[1]}, protocol {place[2]}")
    first = rows[0]
    said = [
        f"{_HEADS[key]} {first[key]}" for key in ("test_prior", "many_above", "few_below")
        if key not in varying
    ]  # fmt: skip
    said.append(f"{first['bins']} bins")
    fitted = sorted({row["fitted_on"] for row in rows} - {None})
    said += [f"T fitted on {', '.join(fitted)}"] * bool(fitted)
    print(f"Means over seeds from stored logits, last epoch, 95 % t-interval; {', '.join(said)}.")


def _line(members: list[dict[str, Any]], varying: list[str], measured: list[str]) -> Row:
    from ltbench.statistics.estimates import mean_interval

    first = members[0]
    line: Row = {_HEADS.get(key, key): first[key] for key in varying}
    line |= {"n": len(members), "top-1": mean_interval([row["top1"] for row in members])}
    for key in measured:
        values = [row[key] for row in members if row[key] is not None]
        mean = f"{sum(values) / len(values):.{_MEANS[key]}f}" if values else ""
        line[_HEADS.get(key, key)] = mean
    return line
