"""Aliases: a method file that only names a composition and says what it is made of."""

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

from ltbench.api.compose import Compose
from ltbench.api.method import Method
from ltbench.api.signature import Composition, Signature, signature_of_composition
from ltbench.specification import Term, parse


class Alias(Compose):
    """A composition under a name of its own, which records and tables keep.

    Its parameters are its parts', by the rules of `Composition`; `owners` gives a name that means
    different things in several parts to one of them. A variant may name another `composition`.

    For compositions whose parts compute what the paper does, bit for bit: `ldam_drw` is a method
    of its own, since `ldam+drw` multiplies loss and weight in another order and rounds otherwise.
    """

    composition: ClassVar[str]
    owners: ClassVar[dict[str, str]] = {}
    signature: ClassVar[Signature]  # this and the two below are set by `expanded`
    signature_of: ClassVar[Callable[[str], Signature]]
    make: ClassVar[Callable[[Term], Method]]

    def __init__(self, composition: str = "", **values: Any) -> None:
        cls = type(self)
        self.composition = composition or cls.composition  # type: ignore[misc]  # a variant's
        for name, parameter in cls.signature.parameters.items():
            setattr(self, name, values.get(name, parameter.default))
        whole = Composition(tuple(parse(self.composition)), cls.owners, cls.signature_of)
        known = cls.signature.parameters.keys()
        passed = [(term, known & whole.passed(term)) for term in whole.terms]
        if strange := values.keys() - set().union(*(names for _, names in passed)):
            raise ValueError(f"{self.composition} has no part that takes {min(strange)}")
        parts = []
        for term, names in passed:
            given = {**term.parameters, **{name: getattr(self, name) for name in names}}
            parts.append(cls.make(dataclasses.replace(term, parameters=given)))
        super().__init__(*parts)
        lines = [line for part in parts for line in part.deviations]
        self.deviations = tuple(dict.fromkeys(lines))  # type: ignore[misc]


def expanded(
    cls: type[Alias], signature_of: Callable[[str], Signature], make: Callable[[Term], Method]
) -> type[Alias]:
    """Return an alias's class with the parameters of its parts as fields; `make` builds a part."""
    signature = signature_of_composition(
        cls.__name__, cls.composition, cls.owners, cls.variants, signature_of
    )
    whole: type[Alias] = dataclasses.make_dataclass(
        cls.__name__,
        [(name, each.type, each.default) for name, each in signature.parameters.items()],
        bases=(cls,),
        namespace={
            "__doc__": cls.__doc__, "variants": signature.variants, "signature": signature,
            "signature_of": staticmethod(signature_of), "make": staticmethod(make),
        },
        init=False, repr=False, eq=False,
    )  # fmt: skip
    whole.__module__ = cls.__module__
    whole.deviations = whole().deviations
    return whole
