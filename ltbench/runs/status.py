"""What a results folder holds, a line for every method on every data set."""

from dataclasses import dataclass
from typing import NamedTuple

from ltbench.evaluation.scores import Headline
from ltbench.runs.provenance import Provenance, mixed_code, mixed_versions, provenance_of
from ltbench.runs.record import Failure
from ltbench.runs.store import Cell, Store
from ltbench.runs.under_way import under_way


@dataclass(frozen=True)
class Unfinished:
    """A training that began and is not over."""

    seed: int
    running: bool  # else it was interrupted, and goes on when it is run again
    epoch: int  # finished
    epochs: int
    left: float | None  # seconds
    node: str  # name of the machine that it is, or was, on
    saved: bool  # where it does not run: whether its checkpoint has this epoch


@dataclass(frozen=True)
class StatusRow:
    """The runs of one method under one protocol."""

    dataset: str
    protocol: str
    network: str
    method: str
    finished: tuple[int, ...]  # seeds
    failed: tuple[int, ...]
    unfinished: tuple[Unfinished, ...]
    metric: Headline | None  # the headline's, of the finished seeds
    headline: float | None  # mean over the finished seeds, last epoch, where they may have one
    reasons: tuple[str, ...]  # of the failures
    mixed_code: str  # how the finished seeds differ in what computed them, if they do


class _Finished(NamedTuple):
    """What is needed of a record; most records share their provenance."""

    metric: Headline
    headline: float
    provenance: Provenance


def status(store: Store) -> list[StatusRow]:
    """Return a row a method, data set, network and protocol; unreadable files: `store.problems`."""
    known: dict[Provenance, Provenance] = {}
    records: dict[Cell, _Finished] = {}  # whole records of thousands would fill the memory
    for record in store.records():
        computed = provenance_of(record)
        records[Cell.of(record)] = _Finished(
            record.metric, record.headline, known.setdefault(computed, computed)
        )
    failures = {Cell.of(failure): failure for failure in store.failures()}
    cells_of: dict[tuple[str, str, str, str], list[Cell]] = {}
    unfinished: dict[Cell, Unfinished] = {}
    for found, running in under_way(store):
        for cell in found.cells:
            if running or not (cell in records or cell in failures):
                unfinished[cell] = Unfinished(
                    cell.seed, running, found.epoch, found.epochs, found.left, found.node,
                    found.saved,
                )  # fmt: skip
    for cell in sorted({*records, *failures, *unfinished}):
        key = (cell.dataset, cell.protocol, cell.network, cell.method)
        cells_of.setdefault(key, []).append(cell)
    return [_line(key, cells, records, failures, unfinished) for key, cells in cells_of.items()]


def _line(
    key: tuple[str, str, str, str],
    cells: list[Cell],
    records: dict[Cell, _Finished],
    failures: dict[Cell, Failure],
    unfinished: dict[Cell, Unfinished],
) -> StatusRow:
    done = [cell for cell in cells if cell in records]
    stopped = [cell for cell in cells if cell in failures]
    scores = [records[cell].headline for cell in done]
    computed = {cell.seed: records[cell].provenance for cell in done}
    apart = mixed_versions(computed)  # no mean is of them
    return StatusRow(
        *key,
        finished=tuple(cell.seed for cell in done),
        failed=tuple(cell.seed for cell in stopped),
        unfinished=tuple(unfinished[cell] for cell in cells if cell in unfinished),
        metric=records[done[0]].metric if done else None,
        headline=sum(scores) / len(scores) if scores and not apart else None,
        mixed_code=apart or mixed_code(computed),
        reasons=tuple(f"seed {cell.seed} failed: {failures[cell].error}" for cell in stopped),
    )
