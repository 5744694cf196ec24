"""What a record keeps of a method: every parameter of its parts, and the hashes of their files."""

import sys
from typing import Any

from ltbench.api.compose import leaves, name_of
from ltbench.api.method import Method
from ltbench.api.parameters import fields_of
from ltbench.registry.methods import variant_of
from ltbench.registry.sources import hashes_of


def parameters(method: Method) -> dict[str, dict[str, Any]]:
    """Return every parameter of every part by part, defaults included but for `later` ones.

    Of an alias, they are its parts'.
    """
    resolved: dict[str, dict[str, Any]] = {}
    for part in leaves(method):
        name, variant = name_of(part), variant_of(part)
        head = f"{name}@{variant}" if variant else name
        again = sum(other.partition("#")[0] == head for other in resolved)
        key = f"{head}#{again + 1}" if again else head  # a part may stand twice
        every = {f.name: (getattr(part, f.name), f.default) for f in fields_of(type(part))}
        resolved[key] = {
            name: value
            for name, (value, usual) in every.items()
            if name not in part.later or value != usual
        }
    return resolved


def sources(method: Method) -> dict[str, str]:
    """Return the SHA-256 of the files of every part that is not ltbench's own.

    The part's file goes by its name; a module that it imports from its own folder or package by
    `name:module`.
    """
    found = {}
    for part in leaves(method):
        module = sys.modules[type(part).__module__]
        if not module.__name__.startswith("ltbench.methods."):
            for helper, digest in hashes_of(module).items():
                found[f"{name_of(part)}:{helper}" if helper else name_of(part)] = digest
    return found
