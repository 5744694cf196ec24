"""`ltbench evaluate`: finished runs in other ways, from their stored logits."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ltbench.cli.loading import load_data, load_files
from ltbench.cli.options import Data, Load, Results, chosen, note_if_absent, path_of
from ltbench.cli.views.evaluation import write_rows
from ltbench.cli.views.rows import Format
from ltbench.errors import LtbenchError, UsageError, counted
from ltbench.specification import split

if TYPE_CHECKING:
    from ltbench.analysis.posthoc import EvaluationGrid
    from ltbench.figures.predictions import PredictionFiles
    from ltbench.runs.record import Record

_MOST = 6  # methods that a command names in full


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
            "repeated (without: the data set's own, mostly 100,20)."
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
            help="Also write confusion matrices, reliability diagrams, precision, recall and F1 by "
            "class, and every prediction into this folder.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            parser=path_of,
            metavar="FILE",
            help="Instead of runs: weights of `ltbench weights import`, on their test set.",
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
    if weights is not None:
        from ltbench.cli.weights import print_scores
        from ltbench.data.root import data_root

        return print_scores(weights, data_root(None))
    from ltbench.analysis.posthoc import logits_of, scored, variants
    from ltbench.runs.commands import of_results
    from ltbench.runs.provenance import joined_cells
    from ltbench.runs.store import Store

    load_data(data)
    load_files(load)
    grid = _grid(thresholds, priors, posthoc, temperature, bins)
    predictions = None if confusion is None else _predictions(confusion, grid)
    note_if_absent(results)
    store = Store(results)
    records = chosen(store, methods, dataset, protocol)
    rows: list[dict[str, Any]] = []
    used: list[Record] = []
    lacking: list[Record] = []
    problems: list[str] = []
    for record in records:
        try:
            logits = logits_of(record, store)
            if logits is None:
                lacking.append(record)
                continue
            found = list(variants(record, logits, grid, problems.append))
            rows += scored(record, logits, found, grid)
            used.append(record)
        except UsageError:
            raise
        except LtbenchError as error:
            problems.append(str(error))
            continue
        if predictions is not None:
            for variant in found:
                predictions.add(record, variant, logits.test[1])
    joined = joined_cells(used)
    problems += filter(None, (each.refusal for each in joined.values()))
    for problem in dict.fromkeys([*store.problems, *problems]):
        print(f"ltbench: left out: {problem}", file=sys.stderr)
    for remark in filter(None, (each.remark for each in joined.values())):
        print(f"ltbench: {remark}", file=sys.stderr)
    if lacking:
        _name_lacking(lacking, len(records), results, alone=not rows)
    if not rows:
        raise LtbenchError(
            f"no record in {results} could be evaluated; "
            f"`{of_results('ltbench status', results)}` lists them."
        )
    refused = {cell for cell, each in joined.items() if each.refusal}
    if predictions is not None:
        predictions.draw(refused)
        print(
            f"ltbench: {counted(predictions.files, 'file')} written to {confusion}", file=sys.stderr
        )
    write_rows(rows, format_, refused)


def _predictions(folder: Path, grid: "EvaluationGrid") -> "PredictionFiles":
    """Return what collects predictions; raises UsageError for ways that they do not tell apart."""
    from ltbench.figures.predictions import PredictionFiles

    if any(prior.ratio != 1 for prior in grid.priors):
        raise UsageError(
            "--confusion counts the test images that there are, so it goes with no other test "
            "prior; leave --priors out."
        )
    if len(grid.thresholds) > 1:
        raise UsageError("--confusion sorts classes by one pair of --thresholds; give one.")
    return PredictionFiles(folder, grid.thresholds[0], grid.bins)


def _grid(
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
    grid = EvaluationGrid(
        tuple(map(_thresholds, thresholds)) if thresholds else (None,),
        tuple(map(prior, split(priors))),
        tuple(split(posthoc or "")),
        None if temperature is None else temperature.value,
        bins,
    )
    for specification in grid.post_hoc:
        adjusting(specification)
    return grid


def _name_lacking(lacking: list["Record"], every: int, results: Path, *, alone: bool) -> None:
    """Name the records without logits by the commands that keep them.

    Raises LtbenchError where there are no others.
    """
    from ltbench.analysis.posthoc import commands
    from ltbench.runs.store import Cell

    found = commands([Cell.of(record) for record in lacking], results)
    methods = sorted({record.method for record in lacking})
    if len(methods) > _MOST:
        remedy = (
            f"`ltbench evaluate --methods {methods[0]}`, with the names of those of these "
            f"{len(methods)} methods that are wanted, gives the command that trains them again."
        )
    elif len(found) > 1:
        for command, count in found.items():
            print(f"ltbench: left out: {count} without logits; `{command}`", file=sys.stderr)
        remedy = "the commands above train again and keep them."
    else:
        remedy = f"`{next(iter(found))}` trains again and keeps them."
    sentence = (
        f"{len(lacking)} of {every} records have no logits in {results}/work, which is not "
        f"shared; {remedy}"
    )
    if alone:
        raise LtbenchError(sentence)
    print(f"ltbench: left out: {sentence}", file=sys.stderr)


def _thresholds(text: str) -> tuple[int, int]:
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) != 2 or not all(part.isascii() and part.isdigit() for part in numbers):
        raise UsageError(f"--thresholds {text}: give two whole numbers, such as 100,20.")
    many, few = map(int, numbers)
    if few > many + 1:
        raise UsageError(f"--thresholds {text}: a class would be many and few; exchange them.")
    return many, few
