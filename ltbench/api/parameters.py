"""A method's parameters: the fields of its dataclass, their types, and the ranges in the types.

A range is written into the type, as in `Annotated[float, Ge(0), Lt(1)]`.
"""

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any, Literal

from annotated_types import Ge, GroupedMetadata, Gt, Le, Lt
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ltbench.errors import UsageError

_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_OUT_OF_RANGE = {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}


def fields_of(cls: type) -> list[dataclasses.Field[Any]]:
    """Return the parameters of a method."""
    return [f for f in dataclasses.fields(cls) if f.init]


def types_of(cls: type) -> dict[str, Any]:
    """Return the type of every field of a method, with its range."""
    return typing.get_type_hints(cls, include_extras=True)


def validated(name: str, key: str, value: Any, wanted: Any) -> Any:
    """Return the value of a parameter of method `name` as its type has it: 1 as 1.0 for a float.

    Raises UsageError, naming parameter, value and range, for a value that the type does not allow.
    """
    try:
        return TypeAdapter(wanted, config=_STRICT).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].lower()
        if first["type"] in _OUT_OF_RANGE:
            reason = f"{key} must be {range_of(wanted)}"
        raise UsageError(f"{name}({key}={value!r}) is not allowed: {reason}.") from None


def range_of(wanted: Any) -> str:
    """Return in words what values a type allows beyond its kind; nothing where it allows all."""
    if typing.get_origin(wanted) is Literal:
        return " or ".join(map(repr, typing.get_args(wanted)))
    limits = dict(_limits(wanted))
    if limits:
        low = f"from {limits['ge']:g}" if "ge" in limits else ""
        low = f"above {limits['gt']:g}" if "gt" in limits else low
        high = f"below {limits['lt']:g}" if "lt" in limits else ""
        high = f"{limits['le']:g}" if "le" in limits else high
        if not high:
            return low.replace("from", "at least")
        if not low:
            return high if "lt" in limits else f"at most {high}"
        return f"{low} to {high}"
    members = [] if typing.get_origin(wanted) is None else typing.get_args(wanted)
    words = [word for member in members if (word := range_of(member))]
    return " or ".join([*words, "None"] if words and type(None) in members else words)


def _limits(wanted: Any) -> Iterator[tuple[str, float]]:
    """Yield the limits written into a type: by annotated-types or as a field of pydantic's."""
    for given in getattr(wanted, "__metadata__", ()):
        if isinstance(given, FieldInfo):
            parts = given.metadata
        else:
            parts = list(given) if isinstance(given, GroupedMetadata) else [given]
        for part in parts:
            for kind, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
                if isinstance(part, kind):
                    yield name, getattr(part, name)
