"""A record as one row: every field a column, named by its path, such as `last.top1`.

The columns come from the record's schema, not from the records at hand, so two laboratories' tables
have the same ones. What differs by method (parameters, stages, sources) is JSON text.
"""

import json
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from ltbench.runs.protocol import Protocol
from ltbench.runs.record import Record

FieldType = Literal["text", "integer", "number", "flag", "texts", "integers", "json"]

_FORMULAS = ("=", "+", "-", "@", "\t", "\r")

_PLAIN: dict[Any, FieldType] = {str: "text", int: "integer", float: "number", bool: "flag"}
_LISTS: dict[Any, FieldType] = {str: "texts", int: "integers"}


@cache
def columns() -> dict[str, FieldType]:
    """Return every column and what its values are, in the order of the schema.

    Any of them may be null: `selected.top1` is, where nothing was held out. `settings` is kept as
    JSON beside its fields, for a later version's may have more.
    """
    found = dict(_of(Record, ""))
    settings = dict(_of(Protocol, "settings."))
    before = list(found)[: list(found).index("settings") + 1]
    return {name: found[name] for name in before} | settings | found


def row(record: Record) -> dict[str, Any]:
    """Return a record's values by column; lists stay lists."""
    content = record.model_dump(mode="json")
    return {name: _value(content, name, kind) for name, kind in columns().items()}


def as_text(value: Any) -> Any:
    """Return a value as a CSV file has it: lists as JSON, a number with all its digits."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULAS):
        return f"'{value}"  # or a spreadsheet would run it
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value


def _value(content: dict[str, Any], name: str, kind: FieldType) -> Any:
    value: Any = content
    for key in name.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if kind != "json" or value is None:
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldType]]:
    for name, field in model.model_fields.items():
        kinds = list(_kinds(field.annotation))
        models = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)]
        for each in models:  # several: the columns of all of them
            yield from _of(each, f"{prefix}{name}.")
        if not models:
            yield f"{prefix}{name}", _type_of(kinds[0] if len(kinds) == 1 else field.annotation)


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield what a value may be by its annotation, which may be a union, but for null."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _kinds(each)
    elif annotation is not NoneType:
        yield annotation


def _type_of(annotation: Any) -> FieldType:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    inner = get_args(annotation)
    if inner and isinstance(inner[0], str | int):  # a literal
        return _PLAIN[type(inner[0])]
    return _LISTS.get(inner[0], "json") if _is_list(annotation) else "json"


def _is_list(annotation: Any) -> bool:
    return getattr(annotation, "__origin__", None) in (list, tuple)
