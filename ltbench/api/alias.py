"""Aliases: a method file that only names a composition and says what it is made of."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ClassVar

from ltbench.api.compose import Compose, name_of
from ltbench.api.method import Method
from ltbench.api.parameters import fields_of, types_of
from ltbench.specification import Term, parse

Maker = Callable[[Term], Method]


class Alias(Compose):
    """A composition under a name of its own, which records and tables keep.

    Its parameters are its parts'. A name that several parts share, with one default, goes to all
    of them; one that means different things goes to the part that `owners` gives, else it can be
    set only where the composition is written out. A variant may name another `composition`.

    For compositions whose parts compute what the paper does, bit for bit: `ldam_drw` is a method
    of its own, since `ldam+drw` multiplies loss and weight in another order and rounds otherwise.
    """

    composition: ClassVar[str]
    owners: ClassVar[dict[str, str]] = {}
    defaults: ClassVar[dict[str, Any]]  # of the parameters, read off the parts by `expanded`
    make: ClassVar[Maker]

    def __init__(self, composition: str = "", **values: Any) -> None:
        cls, composition = type(self), composition or self.composition
        for key, value in {**cls.defaults, **values}.items():
            setattr(self, key, value)
        terms = parse(composition)
        taken = [_taken(cls, cls.make(term)) & cls.defaults.keys() for term in terms]
        if strange := values.keys() - set().union(*taken):
            raise ValueError(f"{composition} has no part that takes {sorted(strange)[0]}")
        parts = []
        for term, names in zip(terms, taken, strict=True):
            given = {key: getattr(self, key) for key in cls.defaults if key in names}
            parts.append(cls.make(Term(term.name, term.variant, {**term.parameters, **given})))
        super().__init__(*parts)
        self.composition = composition  # type: ignore[misc]  # a variant's, so per instance
        self.deviations = _deviations(parts)  # type: ignore[misc]


@cache
def expanded(cls: type[Alias], make: Maker) -> type[Alias]:
    """Return an alias's class with the parameters of its parts as fields; `make` builds a part."""
    parts = [make(term) for term in parse(cls.composition)]
    defaults, variants = _parameters(cls, parts), {}
    for name, changed in cls.variants.items():
        there = [make(term) for term in parse(changed.get("composition", cls.composition))]
        kept = {key: value for key, value in _parameters(cls, there).items() if key in defaults}
        variants[name] = {**kept, **changed}
    hints = {key: hint for part in parts for key, hint in types_of(type(part)).items()}
    body = {"variants": variants, "deviations": _deviations(parts), "__doc__": cls.__doc__}
    whole = dataclasses.make_dataclass(
        cls.__name__,
        [(key, hints[key], value) for key, value in defaults.items()],
        bases=(cls,),
        namespace={**body, "defaults": defaults, "make": staticmethod(make)},
        init=False, repr=False, eq=False,
    )  # fmt: skip
    whole.__module__ = cls.__module__
    return whole


def _taken(cls: type[Alias], part: Method) -> set[str]:
    """Return the parameters of an alias that one of its parts would take."""
    names = {f.name for f in fields_of(type(part))}
    return {name for name in names if cls.owners.get(name, name_of(part)) == name_of(part)}


def _parameters(cls: type[Alias], parts: Sequence[Method]) -> dict[str, Any]:
    """Return the parameters of an alias made of these parts, with their defaults."""
    found: dict[str, list[Any]] = {}
    for part in parts:
        names = _taken(cls, part)
        for f in fields_of(type(part)):
            if f.name in names:
                found.setdefault(f.name, []).append(getattr(part, f.name))
    return {
        name: first
        for name, (first, *others) in found.items()
        if all(other == first for other in others)
    }


def _deviations(parts: Sequence[Method]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for part in parts for line in part.deviations))
