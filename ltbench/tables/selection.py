"""Which epoch's scores a whole table shows, other than its own choice.

Light to import, for the command line names the choices in its help.
"""

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ltbench.errors import UsageError

if TYPE_CHECKING:
    from ltbench.runs.protocol import Protocol
    from ltbench.tables.definition import Table


class Selection(StrEnum):
    """The rules of choosing the epoch whose scores count."""

    LAST = "last"
    VALIDATION = "validation"
    BEST_TEST = "best_test"


def check_held_out(protocols: Sequence["Protocol"]) -> None:
    """Raise UsageError unless one of at least one protocol holds training images out."""
    if not any(each.validation for each in protocols):
        raise UsageError(
            f"protocol {protocols[0].specification} holds no training images out, so nothing was "
            f"selected on them; run with --validation 2 and add "
            f"--protocol '{protocols[0].name}(validation=2)'."
        )


def selecting(table: "Table", selection: Selection, protocol: str | None = None) -> "Table":
    """Return a table that shows another epoch, and whose files are named after it.

    Raises UsageError for a choice on held-out images under a protocol that holds none out.
    """
    columns = [each for each in table.definition.columns if each.data.available]
    if selection is Selection.VALIDATION and columns:
        check_held_out([table.protocol(column, protocol) for column in columns])
    if selection is table.definition.select:
        return table
    definition = table.definition.model_copy(update={"select": selection})
    return replace(table, name=f"{table.name}_{selection}", definition=definition)
