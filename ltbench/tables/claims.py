"""Claims about gains: what papers say that one method adds to another, from `claims.yaml`."""

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError

from ltbench.errors import UsageError, unknown
from ltbench.runs.record import Model
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.shipped import folder
from ltbench.tables.validation import Specification, Text, explain
from ltbench.yaml_file import read_yaml


def _not_zero(gain: float) -> float:
    if gain == 0:
        raise PydanticCustomError("gain", "a gain of 0 claims nothing; give another or remove it")
    return gain


class Claim(Model):
    """One claim: the difference between two methods on one data set, reported by one paper."""

    claim: Text  # in words
    paper: Text
    source: Text  # where the paper says it
    table: Text  # the table whose network, protocol and column it is judged by
    column: Text  # its group and header
    method: Specification
    over: Specification
    gain: Annotated[float, AfterValidator(_not_zero)]

    @cached_property
    def rows(self) -> tuple[TableRow, TableRow]:
        """Return both methods as rows of a table."""
        ours = TableRow(label=self.method, method=self.method)
        return ours, TableRow(label=self.over, method=self.over)

    def column_in(self, table: Table) -> Column:
        """Return the column it is about; raises UsageError where the table has none of its name."""
        columns = {column.title: column for column in table.definition.columns}
        if self.column not in columns:
            raise unknown(f"column of table {self.table}", self.column, columns)
        return columns[self.column]


class Claims(Model):
    """The content of the file."""

    claims: list[Claim] = Field(min_length=1)


def load_claims(tables: Collection[Table], path: Path | None = None) -> list[Claim]:
    """Return the shipped claims, or those in a file, about `tables`.

    Raises UsageError naming the file, the key and the remedy.
    """
    path = path or folder() / "claims.yaml"
    content = read_yaml(path)
    try:
        claims = Claims.model_validate(content).claims
    except ValidationError as error:
        raise explain(path, error, {"claims": Claim}, Claims) from None
    named = {table.short: table for table in tables}
    for claim in claims:
        try:
            if claim.table not in named:
                raise unknown("table", claim.table, named)
            claim.column_in(named[claim.table])
        except UsageError as error:
            raise UsageError(f"{path}, {claim.claim!r}: {error}") from None
    return claims
