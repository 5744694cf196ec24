"""What a method takes: its parameters, their defaults and its variants.

Imports no torch: a signature is read off a class or, where nothing is to be run, off its file.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ltbench.api.parameters import validated
from ltbench.errors import unknown
from ltbench.specification import Term, parse


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type, and its default, `dataclasses.MISSING` where it has none."""

    type: Any
    default: Any


@dataclass(frozen=True)
class Signature:
    """The parameters of a method in the order of declaration, and its variants.

    `variants` has the values that each variant sets, `lacking` the parameters that it does not
    take, for none of its parts has them.
    """

    name: str
    parameters: Mapping[str, Parameter]
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lacking: Mapping[str, Collection[str]] = field(default_factory=dict)

    def taken(self, variant: str = "") -> dict[str, Parameter]:
        """Return the parameters that may be given to a variant."""
        absent = self.lacking.get(variant, ())
        return {name: each for name, each in self.parameters.items() if name not in absent}

    def usual(self, variant: str = "") -> dict[str, Any]:
        """Return the values that a variant starts from."""
        values = {name: each.default for name, each in self.taken(variant).items()}
        return {**values, **self.variants.get(variant, {})}

    def given(self, term: Term) -> dict[str, Any]:
        """Return the values that a term sets, those of its variant among them.

        Raises UsageError for a variant or parameter that is none, or a value of another type.
        """
        if term.variant and term.variant not in self.variants:
            raise unknown(f"variant of {self.name}", term.variant, self.variants or {"(none)": {}})
        taken = self.taken(term.variant)
        values = dict(self.variants.get(term.variant, {}))
        for key, value in term.parameters.items():
            if key not in taken:
                name = f"{self.name}@{term.variant}" if term.variant else self.name
                raise unknown(f"parameter of {name}", key, taken or {"(it takes none)"})
            values[key] = validated(self.name, key, value, taken[key].type)
        return values

    def term(self, variant: str, values: Mapping[str, Any]) -> Term:
        """Return the canonical term of resolved values: only those that differ from the usual."""
        usual = self.usual(variant)
        changed = {key: values[key] for key in usual if values[key] != usual[key]}
        return Term(self.name, variant, changed)


@dataclass(frozen=True)
class Composition:
    """A composition under a name of its own, whose parameters are its parts'.

    A name that several parts share, with one default, goes to all of them; one that means
    different things goes to the part that `owners` gives, else it can be set only where the
    composition is written out. A variant may name another composition.
    """

    terms: tuple[Term, ...]
    owners: Mapping[str, str]
    signature_of: Callable[[str], Signature]  # of a part, by its name

    def passed(self, term: Term) -> list[str]:
        """Return the parameters that go to one part."""
        names = self.signature_of(term.name).taken(term.variant)
        return [name for name in names if self.owners.get(name, term.name) == term.name]

    def parameters(self) -> dict[str, Parameter]:
        """Return the parameters of its parts that mean one thing, or have an owner."""
        found: dict[str, list[Parameter]] = {}
        for term in self.terms:
            part = self.signature_of(term.name)
            values = {**part.usual(term.variant), **part.given(term)}
            for name in self.passed(term):
                one = replace(part.parameters[name], default=values[name])
                found.setdefault(name, []).append(one)
        return {
            name: first
            for name, (first, *others) in found.items()
            if all(other.default == first.default for other in others)
        }


def signature_of_composition(
    name: str,
    composition: str,
    owners: Mapping[str, str],
    variants: Mapping[str, Mapping[str, Any]],
    signature_of: Callable[[str], Signature],
) -> Signature:
    """Return the signature of a name for a composition, from the signatures of its parts."""

    def parameters(text: str) -> dict[str, Parameter]:
        return Composition(tuple(parse(text)), owners, signature_of).parameters()

    own = parameters(composition)
    values, lacking = {}, {}
    for variant, changed in variants.items():
        there = parameters(changed.get("composition", composition))
        kept = {key: each.default for key, each in there.items() if key in own}
        values[variant] = {**kept, **changed}
        lacking[variant] = own.keys() - there.keys()
    return Signature(name, own, values, lacking)
