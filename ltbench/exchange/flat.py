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
    if kind == "json" and value is not None:
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return value


def _of(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldType]]:
    for name, field in model.model_fields.items():
        parts = list(_parts(field.annotation))
        models = [each for each in parts if isinstance(each, type) and issubclass(each, BaseModel)]
        if models:  # of several, such as the scores of two task kinds, all their columns
            yield from {k: v for each in models for k, v in _of(each, f"{prefix}{name}.")}.items()
        else:
            yield f"{prefix}{name}", _type_of(parts[0])


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the members of a union without None, and what is annotated without its notes."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _parts(each)
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
