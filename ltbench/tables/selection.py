"""Which epoch's scores count. Imports nothing heavy: the command line names them in its help."""

from enum import StrEnum


class Selection(StrEnum):
    """The rules of choosing the epoch whose scores count."""

    LAST = "last"
    VALIDATION = "validation"
    BEST_TEST = "best_test"
