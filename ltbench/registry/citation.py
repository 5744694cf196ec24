"""The papers that a method's file names in its docstring."""

import inspect
import sys

from ltbench.api.compose import leaves, name_of
from ltbench.api.method import Method
from ltbench.registry.methods import parts
from ltbench.registry.papers import Paper, papers_in, papers_of
from ltbench.registry.signatures import own


def papers(specification: str) -> dict[str, list[Paper]]:
    """Return the papers of every part of a specification, also those that a name stands for.

    By the part's name. Raises UsageError for a specification that does not exist.
    """
    every = [each for part in parts(specification) for each in (part, *leaves(part))]
    return {name_of(part): _of(part) for part in every}


def _of(part: Method) -> list[Paper]:
    if name_of(part) in own():
        return papers_of(name_of(part))
    return papers_in(inspect.getdoc(sys.modules[type(part).__module__]) or "")
