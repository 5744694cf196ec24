"""Which epoch's scores count. Imports nothing heavy: the command line names them in its help."""

from enum import StrEnum


class Selection(StrEnum):
    """The rules of choosing the epoch whose scores count.

    `validation` is the best one on images held out of training.
    """

    LAST = "last"
    VALIDATION = "validation"
    BEST_TEST = "best_test"

    @property
    def field(self) -> str:
        """Return where records and checkpoints keep these scores, whose fields never change."""
        return _FIELDS[self]


_FIELDS = {Selection.LAST: "last", Selection.VALIDATION: "selected", Selection.BEST_TEST: "best"}


# In the words of captions.
EPOCH = {
    Selection.LAST: "last epoch",
    Selection.BEST_TEST: "best epoch on the test set (optimistic)",
    Selection.VALIDATION: "best epoch on held-out training images",
}
