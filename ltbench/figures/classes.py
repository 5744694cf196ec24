"""The accuracy of every class from records, beside how many training images it has."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ltbench.data.catalog import dataset
from ltbench.data.profile import SHOTS
from ltbench.errors import LtbenchError
from ltbench.evaluation.selection import Selection
from ltbench.figures.definition import Classes, Figure
from ltbench.runs.files import csv_text, four_decimals
from ltbench.runs.protocol import check_held_out
from ltbench.runs.protocol import protocol_of as resolved
from ltbench.runs.provenance import provenance_of
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store, slug
from ltbench.statistics.estimates import Estimate, mean_interval
from ltbench.tables.cells import Reader
from ltbench.tables.metrics import scores_at

FIELDS = (
    "method", "class", "training_images", "shots", "dataset", "network", "protocol", "select",
    "accuracy", "ci95", "n", "seeds",
)  # fmt: skip


@dataclass(frozen=True)
class Bars:
    """One method: its accuracy in percent by class, and by shot group, over its seeds."""

    method: str
    seeds: tuple[int, ...]
    accuracy: tuple[Estimate, ...]  # by class
    groups: dict[str, float]  # mean over the classes of each group there is


@dataclass(frozen=True)
class PerClass:
    """Methods on one data set, the classes in the order of their training images."""

    name: str
    figure: Figure
    cell: Cell  # of the first method; its method and seed say nothing
    exact: bool
    select: Selection
    order: tuple[int, ...]  # classes, most images first
    counts: tuple[int, ...]  # training images, in that order
    shots: tuple[str, ...]  # the group of each, in that order
    bars: tuple[Bars, ...]
    missing: tuple[str, ...]  # methods without a record
    problems: tuple[str, ...]
    remarks: tuple[str, ...]  # what to know of the records that are joined


def per_class(
    figure: Figure, store: Store, protocol: str | None = None, select: Selection = Selection.LAST
) -> PerClass:
    """Return a figure's bars; methods without records are left out and named.

    Raises LtbenchError where there are no records at all, or of different training images, and
    UsageError for a choice on held-out images under a protocol that holds none out.
    """
    definition = figure.definition
    assert isinstance(definition, Classes)
    data = dataset(definition.dataset)
    used = resolved(protocol or definition.protocol, data.info)
    if select is Selection.VALIDATION:
        check_held_out([(used, data.info)])
    key = (str(data), used.specification, definition.network or data.info.network)
    reader = Reader(store)
    found: dict[str, dict[int, Record]] = {}
    for method in definition.methods:
        cells = [Cell(*key, method, seed) for seed in definition.seeds]
        read = ((cell.seed, reader.record(cell)) for cell in cells)
        records = {s: r for s, r in read if r is not None and scores_at(r, select) is not None}
        computed = {seed: provenance_of(record) for seed, record in records.items()}
        if records and reader.joins(cells, computed):
            found[method] = records
    if not found and reader.problems:
        raise LtbenchError(f"figure {figure.name} has nothing to draw: {reader.problems[0]}")
    if not found:
        raise LtbenchError(
            f"figure {figure.name} is drawn from records and there are none yet; "
            f"`{_command(definition, key)}` makes them."
        )
    drawn = [record for records in found.values() for record in records.values()]
    if len({each.data.indices_sha256 for each in drawn}) > 1:
        raise LtbenchError(
            f"figure {figure.name}: the records are of different training images; run them anew."
        )
    counts, groups = drawn[0].data.class_counts, drawn[0].shots()
    seen = [s.last.total for records in found.values() for s in records.values()]
    tested = (label for label in range(len(counts)) if all(total[label] for total in seen))
    order = tuple(sorted(tested, key=lambda label: -counts[label]))
    named = "" if select is Selection.LAST else f"_{select}"
    own = resolved(definition.protocol, data.info).specification == used.specification
    return PerClass(
        definition.name + named + ("" if own else f"_{slug(used.specification)}"), figure,
        Cell(*key, definition.methods[0], 0), used.exact, select, order,
        tuple(counts[label] for label in order),
        tuple(groups[label] for label in order),
        tuple(_bars(method, records, order, select) for method, records in found.items()),
        tuple(method for method in definition.methods if method not in found),
        tuple(reader.problems), tuple(reader.remarks),
    )  # fmt: skip


def _bars(
    method: str, records: dict[int, Record], order: tuple[int, ...], select: Selection
) -> Bars:
    found = (scores_at(record, select) for record in records.values())
    scores = [each for each in found if each is not None]
    accuracy = tuple(
        mean_interval([value for each in scores if (value := each.per_class[label]) is not None])
        for label in order
    )
    groups = {}
    for group in SHOTS:
        values = [value for each in scores if (value := getattr(each, group)) is not None]
        if values:
            groups[group] = mean_interval(values).mean
    return Bars(method, tuple(records), accuracy, groups)


def _command(definition: Classes, key: tuple[str, str, str]) -> str:
    methods, seeds = ",".join(definition.methods), ",".join(map(str, definition.seeds))
    words = ["--methods", methods, "--dataset", key[0], "--protocol", key[1]]
    words += ["--network", key[2], "--seeds", seeds]
    return shlex.join(["ltbench", "run", *words])


def as_csv(found: PerClass) -> str:
    """Return one line for each method and class; four decimals."""
    return csv_text([FIELDS, *_rows(found)])


def _rows(found: PerClass) -> Iterator[tuple[Any, ...]]:
    for bars in found.bars:
        for label, count, shots, each in zip(
            found.order, found.counts, found.shots, bars.accuracy, strict=True
        ):
            yield (
                bars.method, label, count, shots, found.cell.dataset, found.cell.network,
                found.cell.protocol, found.select, four_decimals(each.mean),
                four_decimals(each.half_width), each.n, " ".join(map(str, bars.seeds)),
            )  # fmt: skip
