"""Claims about gains and other readings of them: what `claims.yaml` holds."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from ltbench.errors import UsageError, unknown
from ltbench.runs.record import Model
from ltbench.specification import Term, parse
from ltbench.tables.definition import Column, Table, TableRow
from ltbench.tables.shipped import folder
from ltbench.tables.validation import Specification, Text, explain
from ltbench.yaml_file import read_yaml


def _not_zero(gain: float) -> float:
    if gain == 0:
        raise PydanticCustomError("gain", "a gain of 0 claims nothing; give another or remove it")
    return gain


def _single(terms: list[str]) -> list[str]:
    read = [parse(text) for text in terms]
    if several := [text for text, parts in zip(terms, read, strict=True) if len(parts) > 1]:
        raise PydanticCustomError(
            "terms", "{text} is several parts; give each by itself", {"text": several[0]}
        )
    names = [term.name for (term,) in read]
    if twins := [name for name in names if names.count(name) > 1]:
        raise PydanticCustomError(
            "terms", "{name} stands there twice; keep one", {"name": twins[0]}
        )
    return terms


Terms = Annotated[list[Specification], AfterValidator(_single)]


class Reading(Model):
    """Another reading of what a paper leaves open, as the terms that then stand for its parts."""

    reading: Text  # in words
    terms: Annotated[Terms, Field(min_length=1)]
    agreeing: Terms = Field(default_factory=list)  # read so too in claims that `terms` are about

    def of(self, *specifications: str) -> list[str] | None:
        """Return specifications under this reading; None where it does not apply to them all.

        It does not where none has a part that it reads, where one is a variant already or sets
        what the reading sets, and, since a variant is a whole training, where it is one and a
        specification has several parts.
        """
        parsed = [parse(text) for text in specifications]
        named = {term.name for terms in parsed for term in terms}
        others = _by_name(self.terms)
        if named.isdisjoint(others):
            return None
        if any(each.variant for each in others.values()) and max(map(len, parsed)) > 1:
            return None
        others = _by_name([*self.agreeing, *self.terms])
        pairs = [[(term, others.get(term.name)) for term in terms] for terms in parsed]
        if any(other and not _free(term, other) for each in pairs for term, other in each):
            return None
        return [
            "+".join(str(_joined(term, other) if other else term) for term, other in each)
            for each in pairs
        ]


def _by_name(terms: list[str]) -> dict[str, Term]:
    return {term.name: term for text in terms for term in parse(text)}


def _free(term: Term, other: Term) -> bool:
    set_already = term.parameters.keys() & other.parameters.keys()
    return not (term.variant or set_already or (other.variant and term.parameters))


def _joined(term: Term, other: Term) -> Term:
    return Term(other.name, other.variant, {**term.parameters, **other.parameters})


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

    def rows_in(self, table: Table, read: "Claim | None" = None) -> tuple[TableRow, TableRow]:
        """Return both methods as rows of a table: its own, of those that it has.

        Rows of the claim as it is `read` keep what else is said of those of its own methods.
        """
        data, named = self.column_in(table).data, read or self
        own = {row.method_on(data): row for row in reversed(table.definition.rows)}
        ours, over = (
            own.get(method, TableRow(label=method, method=method)).model_copy(
                update={"method": method_read, "by_dataset": {}}
            )
            for method, method_read in ((self.method, named.method), (self.over, named.over))
        )
        return ours, over

    def under(self, reading: Reading) -> "Claim | None":
        """Return the claim under another reading; None where that says nothing of its methods."""
        read = reading.of(self.method, self.over)
        if read is None or read == [self.method, self.over]:
            return None
        return Claim(**self.model_dump() | dict(zip(("method", "over"), read, strict=True)))

    def column_in(self, table: Table) -> Column:
        """Return the column it is about; raises UsageError where the table has none of its name."""
        columns = {column.title: column for column in table.definition.columns}
        if self.column not in columns:
            raise unknown(f"column of table {self.table}", self.column, columns)
        return columns[self.column]


class Claims(Model):
    """The content of the file."""

    claims: list[Claim] = Field(min_length=1)
    readings: list[Reading] = Field(default_factory=list)

    @model_validator(mode="after")
    def _distinct(self) -> "Claims":
        for names in ([c.claim for c in self.claims], [r.reading for r in self.readings]):
            if twins := [name for name in names if names.count(name) > 1]:
                raise PydanticCustomError(
                    "twins", "{name!r} stands there twice; reword one", {"name": twins[0]}
                )
        return self


@cache
def shipped_readings() -> tuple[Reading, ...]:
    """Return the shipped readings; raises UsageError for a file that does not read."""
    return tuple(_read(folder() / "claims.yaml").readings)


def load_claims(tables: Collection[Table], path: Path | None = None) -> Claims:
    """Return the shipped claims and readings, or those in a file, about `tables`.

    Raises UsageError naming the file, the key and the remedy.
    """
    path = path or folder() / "claims.yaml"
    claims = _read(path)
    named = {table.short: table for table in tables}
    for claim in claims.claims:
        try:
            if claim.table not in named:
                raise unknown("table", claim.table, named)
            claim.column_in(named[claim.table])
        except UsageError as error:
            raise UsageError(f"{path}, {claim.claim!r}: {error}") from None
    for reading in claims.readings:
        if not any(claim.under(reading) for claim in claims.claims):
            raise UsageError(
                f"{path}, {reading.reading!r}: it changes no claim; remove it, or correct it."
            )
    return claims


def _read(path: Path) -> Claims:
    content = read_yaml(path)
    try:
        return Claims.model_validate(content)
    except ValidationError as error:
        raise explain(path, error, {"claims": Claim, "readings": Reading}, Claims) from None
