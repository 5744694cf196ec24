"""The errors that end a command which was interrupted, or whose time is over."""

from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path

from ltbench.errors import InterruptedCommandError, LtbenchError
from ltbench.runs.signals import OutOfTimeError
from ltbench.runs.store import Cell, Store
from ltbench.runs.under_way import under_way


class InterruptedRunError(InterruptedCommandError):
    """Ctrl-C, or a notice to end, where trainings go on from what they saved."""

    def __init__(self, interrupted: Sequence[str] = ()) -> None:
        super().__init__(
            f"interrupted; the same command goes on from the last finished epoch{_in(interrupted)}."
        )


class TimeLimitError(LtbenchError):
    """The time of the command is over, by --time-limit or by a cluster's signal."""

    exit_code = 75  # sysexits.h: EX_TEMPFAIL, try again

    def __init__(self, interrupted: Sequence[str] = ()) -> None:
        super().__init__(
            "the time is over, and every training has saved its last whole epoch; the same command "
            f"goes on{_in(interrupted)}."
        )


@contextmanager
def time_limited(results: Path, cells: Set[Cell]) -> Iterator[None]:
    """Raise TimeLimitError, with how far the trainings of cells are, where the time is over."""
    try:
        yield
    except OutOfTimeError:
        raise TimeLimitError(interrupted(Store(results), cells)) from None


@contextmanager
def interruptible(results: Path) -> Iterator[set[Cell]]:
    """Raise TimeLimitError or InterruptedRunError where this block is ended early.

    The block adds the cells that it fills, once it knows them, to the set that it is given.
    """
    cells: set[Cell] = set()
    try:
        with time_limited(results, cells):
            yield cells
    except KeyboardInterrupt:
        raise InterruptedRunError(interrupted(Store(results), cells)) from None


def interrupted(store: Store, cells: Set[Cell]) -> list[str]:
    """Return how far each interrupted training of some cells is."""
    return [
        f"{found.cells[0].method}, seed {found.cells[0].seed}: {found.epoch} of {found.epochs}"
        for found, running in under_way(store)
        if not running and found.epochs and not cells.isdisjoint(found.cells)
        and not store.failure_path(found.cells[0]).exists()
    ]  # fmt: skip


def _in(interrupted: Sequence[str]) -> str:
    shown = "; ".join([*interrupted[:3], *(["…"] if len(interrupted) > 3 else [])])
    return f" ({shown})" if shown else ""
