"""What is said of a run that was asked to end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ltbench.errors import LtbenchError

if TYPE_CHECKING:
    from ltbench.runs.store import Store


class InterruptedRunError(LtbenchError):
    """Ctrl-C, or a cluster's notice to end."""

    exit_code = 130  # the shell's code for it

    def __init__(self, interrupted: Sequence[str] = ()) -> None:
        shown = "; ".join([*interrupted[:3], *(["…"] if len(interrupted) > 3 else [])])
        where = f" ({shown})" if shown else ""
        super().__init__(
            f"interrupted; the same command goes on from the last finished epoch{where}."
        )


def interrupted(store: "Store") -> list[str]:
    """Return how far each interrupted training is."""
    from ltbench.runs.under_way import under_way

    return [
        f"{found.cells[0].method}, seed {found.cells[0].seed}: {found.epoch} of {found.epochs}"
        for found, running in under_way(store)
        if not running and found.epochs and not store.failure_path(found.cells[0]).exists()
    ]
