"""`ltbench evaluate`: finished runs in other ways, from their stored logits."""

import re
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltbench.cli.options import Data, Load, Results, path_of
from ltbench.cli.views.evaluation import Format, draw_confusion, write_predictions, write_rows
from ltbench.cli.views.rows import load_data, load_files
from ltbench.errors import LtbenchError, UsageError
from ltbench.specification import split

if TYPE_CHECKING:
    from ltbench.analysis.posthoc import EvaluationGrid
    from ltbench.runs.record import Record


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
    confusion: Annotated[
        Path | None,
        typer.Option(
            parser=path_of,
            metavar="FOLDER",
            help="Also write confusion matrices, precision, recall and F1 by class, and every "
            "prediction into this folder.",
        ),
    ] = None,
    bins: Annotated[int, typer.Option(min=1, max=1000, help="Of the calibration error.")] = 15,
    results: Results = Path("results"),
    data: Data = None,
    load: Load = None,
    format_: Annotated[
        Format | None, typer.Option("--format", help="Write every row as csv or json.")
    ] = None,
) -> None:
    """Evaluate finished runs by other thresholds, test priors and post-hoc parts; trains nothing.

    A record is never changed: what is shown here stands in no table.
    """
    from ltbench.analysis.posthoc import commands, logits_of
    from ltbench.analysis.posthoc import evaluate as rows_of
    from ltbench.analysis.predictions import confusion as matrix_of
    from ltbench.analysis.predictions import file_name
    from ltbench.runs.store import Cell, Store

    load_data(data)
    load_files(load)
    ways = _ways(thresholds, priors, posthoc, temperature, bins)
    store = Store(results)
    records = _chosen(store.records(), methods, dataset, protocol)
    rows: list[dict[str, Any]] = []
    lacking: list[Record] = []
    problems: list[str] = []
    predicted: dict[str, list[tuple[Record, Any]]] = {}  # confusion matrices, by method
    for record in records:
        try:
            logits = logits_of(record, store)
            if logits is None:
                lacking.append(record)
            else:
                rows += list(rows_of(record, logits, ways, problems.append))
                if confusion is not None:
                    predicted.setdefault(file_name(record), []).append((record, matrix_of(logits)))
                    write_predictions(confusion, record, logits)
        except UsageError:
            raise
        except LtbenchError as error:
            problems.append(str(error))
    for problem in [*store.problems, *problems]:
        print(f"ltbench: left out: {problem}", file=sys.stderr)
    if lacking:
        made_by = commands([Cell.of(record) for record in lacking], results)
        sentence = _without_logits(len(lacking), len(records), made_by, results)
        if not rows:
            raise LtbenchError(sentence)
        print(f"ltbench: left out: {sentence}", file=sys.stderr)
    if not rows:
        raise LtbenchError(
            f"no record in {results} could be evaluated; `ltbench status` lists them."
        )
    if confusion is not None:
        files = draw_confusion(confusion, predicted)
        print(f"ltbench: {files} files written to {confusion}", file=sys.stderr)
    write_rows(rows, format_)


def _ways(
    thresholds: list[str] | None,
    priors: str,
    posthoc: str | None,
    temperature: FittedOn | None,
    bins: int,
) -> "EvaluationGrid":
    """Return the ways of evaluating that options ask for; raises UsageError for any other."""
    from ltbench.analysis.posthoc import EvaluationGrid, adjusting
    from ltbench.evaluation.label_shift import prior

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
    return ways


def _without_logits(lacking: int, every: int, commands: list[str], results: Path) -> str:
    """Return why records are left out, and the commands that keep their logits."""
    first, *more = commands
    others = f", and {len(more)} commands like it the rest" if more else ""
    return (
        f"{lacking} of {every} records have no logits in {results}/work, which is not shared; "
        f"`{first}` trains again and keeps them{others}."
    )


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
        and (sets is None or exact & {record.dataset, re.split(r"[@(]", record.dataset)[0]})
        and (protocol is None or record.protocol == protocol)
    ]
    if not found:
        raise LtbenchError("no record fits; `ltbench status` lists those that there are.")
    return found
