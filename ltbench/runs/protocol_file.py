"""A protocol of one's own, in a YAML file: a name, the protocol that it changes, and the fields.

    name: long
    base: fast
    epochs: 400
    learning_rate: 0.05

It is the protocol `long@fast(epochs=400, learning_rate=0.05)`, which says all that the file does,
so that a record is read without it. It is never `paper`: its name is another.
"""

import re
from pathlib import Path
from typing import Any

from ltbench.errors import UsageError
from ltbench.runs.protocols import PROTOCOLS
from ltbench.specification import Term, names_file
from ltbench.yaml_file import read_keys


def named_in(text: str | None) -> str | None:
    """Return the protocol that a file describes, where the text is a YAML file's path; else it.

    Raises UsageError, in one sentence, for a file that does not read or names none.
    """
    return read_protocol(Path(text)) if text and names_file(text) else text


def read_protocol(path: Path) -> str:
    """Return the specification of the protocol in a file; its fields are checked where it is used.

    Raises UsageError for a file that does not read or names no protocol of its own.
    """
    fields = read_keys(path, "protocol", "protocol.md")
    name, base = fields.pop("name", None), fields.pop("base", "fast")
    taken = {each for family in PROTOCOLS.values() for each in family}
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]*", name) or name in taken:
        raise UsageError(
            f"{path}: name {name!r} is not allowed; it is small letters, digits and _, a letter "
            f"first, and none of {', '.join(sorted(taken))}."
        )
    if not isinstance(base, str) or not base.isidentifier():
        raise UsageError(f"{path}: base {base!r} is no protocol's name, such as fast.")
    for key, value in fields.items():
        if not key.isidentifier() or not isinstance(value, bool | int | float | str | list | None):
            raise UsageError(f"{path}: {key} is no field, or has no value of one; correct it.")
    return str(Term(name, base, {key: _plain(value) for key, value in fields.items()}))


def _plain(value: Any) -> Any:
    """Return a value as a specification has it: milestones are one text."""
    return ",".join(map(str, value)) if isinstance(value, list) else value
