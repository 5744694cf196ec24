"""What a run command asks for, checked by names alone: no torch is imported, no data are read."""

from collections.abc import Iterable

from ltbench.data.catalog import Dataset
from ltbench.errors import UsageError, unknown
from ltbench.registry.signatures import canonical, lacking, names
from ltbench.runs.protocol import protocol_of


def check_methods(specifications: Iterable[str]) -> None:
    """Raise UsageError for methods, variants or parameters that do not exist, or for values."""
    specifications, known = list(specifications), names()
    strange = lacking(specifications, known)
    if len(strange) == 1:
        raise unknown(
            "method", strange[0], known, "A method of your own comes with --load mine.py."
        )
    if strange:
        raise UsageError(
            f"unknown methods {', '.join(map(repr, strange))}; known: {', '.join(known)}. "
            "Methods of your own come with --load mine.py."
        )
    for specification in specifications:
        canonical(specification)


def check_protocols(sets: Iterable[Dataset], name: str | None, validation: int | None) -> None:
    """Raise UsageError for a protocol that a data set does not have."""
    for data in sets:
        protocol_of(name, data.info, validation)
