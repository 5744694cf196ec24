"""Table specifications: one YAML file a table, read strictly."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ltbench.data.catalog import Dataset, known
from ltbench.data.profile import SHOTS
from ltbench.errors import UsageError
from ltbench.evaluation.open_set import floor_of
from ltbench.evaluation.scores import HEADLINES
from ltbench.evaluation.selection import Selection
from ltbench.runs.protocol import Protocol, check_held_out, protocol_of
from ltbench.runs.record import Model
from ltbench.specification import parse_one
from ltbench.tables.metrics import METRICS, Metric, suiting
from ltbench.tables.reported import (
    Reported,
    ReportedKey,
    following,
    judgeable,
    kept_key,
    read_reported,
)
from ltbench.tables.shipped import path_of, short
from ltbench.tables.validation import (
    NetworkSpecification,
    Seed,
    Specification,
    Text,
    Thresholds,
    canonical_text,
    distinct,
    explain,
    refuse_twins,
)
from ltbench.yaml_file import read_yaml


class Column(Model):
    """One column: a data set and what is measured on it."""

    header: Text
    group: Text | None = None  # printed once above neighbours that share it
    dataset: Annotated[str, canonical_text(lambda text: str(known(text)))]
    network: NetworkSpecification | None = None  # where it is not the table's
    metric: Annotated[Metric, AfterValidator(suiting), Field(validate_default=True)] = "top1"

    @cached_property
    def data(self) -> Dataset:
        """Return the data set itself; it may be one that only papers have."""
        return known(self.dataset)

    @property
    def title(self) -> str:
        """Return the headers above it, as one."""
        return " ".join(filter(None, [self.group, self.header]))


class TableRow(Model):
    """One row: a method as the paper calls it and as ltbench does."""

    label: Text
    venue: Text | None = None
    method: Specification | None
    # Where a data set needs another, by its name or, of one ratio, its specification.
    by_dataset: dict[str, Specification] = Field(default={})
    reason: Text | None = None  # why there is no method
    # Images that many-shot classes exceed, and that few-shot ones lack, where not the data set's.
    thresholds: Thresholds | None = None

    @model_validator(mode="after")
    def _explained(self) -> "TableRow":
        if (self.method is None) != (self.reason is not None):
            raise PydanticCustomError(
                "reason", "give a reason where method is null, and only there"
            )
        if self.by_dataset and self.method is None:
            raise PydanticCustomError("by_dataset", "by_dataset changes a method; give one")
        return self

    def method_on(self, data: Dataset) -> str | None:
        """Return the specification that a data set's cells need."""
        named = self.by_dataset.get(data.info.name, self.method)
        return self.by_dataset.get(str(data), named)


class TableDefinition(Model):
    """The content of a table's YAML file."""

    title: Text
    caption: Text | None = None  # under LaTeX and Markdown, in place of one made from the rest
    paper: Text | None = None
    network: NetworkSpecification | None = None
    protocol: Text | None = None  # like network: of each data set where there is none
    select: Annotated[Selection, Field(strict=False)] = Selection.LAST
    decimals: Annotated[int, Field(ge=0, le=4)] | None = None  # as the paper prints them
    seeds: Annotated[list[Seed], Field(min_length=1), AfterValidator(distinct)]
    reported: Text | None = None  # CSV of the paper's values, beside the YAML file
    notes: list[Text] = Field(default=[])
    columns: list[Column] = Field(min_length=1)
    rows: list[TableRow] = Field(min_length=1)

    @model_validator(mode="after")
    def _unambiguous(self) -> "TableDefinition":
        refuse_twins("rows", [row.label for row in self.rows])
        ways = {(row.method, row.thresholds) for row in self.rows if row.method is not None}
        refuse_twins("thresholds", [method for method, _ in ways])
        refuse_twins("columns", [_described(each) for each in self.columns])
        names = {name for each in self.columns for name in (each.data.info.name, each.dataset)}
        several = any(HEADLINES[each.data.info.kind] != "top1" for each in self.columns)
        for row in self.rows:
            if row.thresholds is not None and several:
                raise PydanticCustomError(
                    "thresholds", "thresholds of {row} are for one label an image; remove them",
                    {"row": row.label},
                )  # fmt: skip
            for name in sorted(row.by_dataset.keys() - names):
                raise PydanticCustomError(
                    "by_dataset",
                    "by_dataset of {row} names {name}, of which there is no column; correct it",
                    {"row": row.label, "name": name},
                )
        return self


@dataclass(frozen=True)
class Table:
    """A table specification with the values its paper reports."""

    name: str
    definition: TableDefinition
    reported: Reported

    @property
    def short(self) -> str:
        """Return the name that `ltbench table` knows it by."""
        return short(self.name)

    def cells(self) -> list[tuple[str | None, str]]:
        """Return the method and data set of every cell, row by row; None for a row without one."""
        return [
            (row.method_on(column.data), column.dataset)
            for row in self.definition.rows for column in self.definition.columns
        ]  # fmt: skip

    def network(self, column: Column) -> str:
        """Return the network that a column's records must have."""
        return column.network or self.definition.network or column.data.info.network

    def decimals(self, column: Column) -> int:
        """Return how many decimals a column shows."""
        own = self.definition.decimals
        return METRICS[column.metric].decimals if own is None else own

    def key(self, row: TableRow, column: Column) -> ReportedKey:
        """Return where the reported value of a row and a column is kept."""
        key = ReportedKey.of(row.label, column.data, self.network(column), column.metric)
        return kept_key(self.reported, key)

    def value(self, row: TableRow, column: Column) -> float | None:
        """Return what the paper reports, or what follows from that.

        A ratio is of this row's and the first's; F_0 is of the row's accuracies by shot group.
        """
        value, made_of = self.reported.get(self.key(row, column)), METRICS[column.metric].over
        if made_of is None or value is None:
            return value
        if made_of == "open_set_f":
            shots = {
                shot: self.reported.get(self.key(row, column.model_copy(update={"metric": shot})))
                for shot in SHOTS
            }
            floor = floor_of(column.data.info.name, shots)
            return None if floor is None else following(value - floor, value, *shots.values())
        first = self.reported.get(self.key(self.definition.rows[0], column))
        return following(value / first, value, first) if first else None

    def judged_value(self, row: TableRow, column: Column) -> float | None:
        """Return the value that runs are judged by; None where it is only remembered."""
        return judgeable(self.value(row, column))

    def protocol(self, column: Column, other: str | None = None) -> Protocol:
        """Return the protocol of a column's records, or `other` for its data set.

        Nothing is known of protocols for a data set that this version cannot read.
        """
        named = self.definition.protocol if other is None else other
        return protocol_of(named, column.data.info)

    def protocol_name(self, column: Column, other: str | None = None) -> str:
        """Return the canonical name of a column's protocol."""
        if column.data.available:
            return self.protocol(column, other).specification
        wanted = other or self.definition.protocol or column.data.info.protocol
        return str(parse_one(wanted, "protocol"))


def load(name: str) -> Table:
    """Return the shipped table of a name such as `1`, or the one in a YAML file.

    Raises UsageError naming the file, the key and the remedy.
    """
    path = path_of(name)
    content = read_yaml(path)
    try:
        definition = TableDefinition.model_validate(content)
    except ValidationError as error:
        raise explain(path, error, {"rows": TableRow, "columns": Column}, TableDefinition) from None
    reported: Reported = {}
    if definition.reported is not None:
        reported = read_reported(path.parent / definition.reported)
    table = Table(path.stem, definition, reported)
    for column in definition.columns:
        try:
            table.protocol_name(column)
        except UsageError as error:
            raise UsageError(f"{path}, protocol: {error}") from None
    return table


def selecting(table: Table, selection: Selection, protocol: str | None = None) -> Table:
    """Return a table that shows another epoch, and whose files are named after it.

    Raises UsageError for a choice on held-out images under a protocol that holds none out.
    """
    columns = [each for each in table.definition.columns if each.data.available]
    if selection is Selection.VALIDATION and columns:
        check_held_out([(table.protocol(each, protocol), each.data.info) for each in columns])
    if selection is table.definition.select:
        return table
    definition = table.definition.model_copy(update={"select": selection})
    return replace(table, name=f"{table.name}_{selection}", definition=definition)


def over_seeds(table: Table, count: int) -> Table:
    """Return a table over the seeds 0 to count - 1, and whose files are named after it."""
    seeds = list(range(count))
    if seeds == table.definition.seeds:
        return table
    definition = table.definition.model_copy(update={"seeds": seeds})
    return replace(table, name=f"{table.name}_seeds{count}", definition=definition)


def _described(column: Column) -> str:
    network = f", {column.network}" if column.network else ""
    return f"{column.metric} on {column.dataset}{network}"
