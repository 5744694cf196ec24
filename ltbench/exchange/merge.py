"""Another laboratory's records into our store: checked one by one, and nothing overwritten."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

from ltbench.api.registry import build, describe, names, sources
from ltbench.api.signatures import lacking
from ltbench.data.catalog import dataset
from ltbench.data.profile import FEW_BELOW, MANY_ABOVE, SHOTS, shot_groups
from ltbench.errors import LtbenchError, UsageError
from ltbench.exchange.source import BundledRecord, Source
from ltbench.runs.files import record_in, write_file
from ltbench.runs.identity import cell_fingerprint, fingerprint_in
from ltbench.runs.protocol import Protocol, protocol_of
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store

Word = Literal["added", "already there", "conflict", "refused"]
WORDS: tuple[Word, ...] = ("added", "already there", "conflict", "refused")


@dataclass(frozen=True)
class MergeResult:
    """What became of one file that was offered."""

    word: Word
    name: str
    reason: str = ""  # of a conflict or a refusal; of an added record, what could not be checked


class _ConflictError(ValueError):
    """Our store holds something else in this place."""


def merge(source: Source, store: Store, *, dry_run: bool = False) -> Iterator[MergeResult]:
    """Add what is new and sound, and yield what became of every file; `dry_run` writes nothing.

    Files are written as they came, so an environment stays what its laboratory recorded. Raises
    LtbenchError when the store cannot be written.
    """
    taken: dict[Cell, Record] = {}  # what a dry run would have written; else it is in the store
    for offer in source.offers():
        if offer.reason:
            yield MergeResult("refused", offer.name, offer.reason)
            continue
        try:
            record = record_in(offer.content)
            cell = Cell.of(record)
            doubt = _check(record)
            ours = taken.get(cell) or _ours(store, cell)
            if ours is None:
                _check_neighbours(record, store)
        except _ConflictError as error:
            yield MergeResult("conflict", offer.name, str(error))
            continue
        except (ValueError, LtbenchError) as error:
            yield MergeResult("refused", offer.name, str(error).rstrip("."))
            continue
        if ours is None and dry_run:
            taken[cell] = record
        elif ours is None:
            ours = _add(offer, record, store)
        elif ours == record and not dry_run:
            _add_curves(offer, cell, store)  # ours may have lost them
        yield _finding(offer.name, record, ours, doubt)


def _finding(name: str, record: Record, ours: Record | None, doubt: str) -> MergeResult:
    if ours is None:
        return MergeResult("added", name, doubt)
    if ours == record:
        return MergeResult("already there", name)
    what = (
        "another run with the same scores"
        if ours.last == record.last
        else f"another run, with top-1 {record.last.top1:.2f} where ours has {ours.last.top1:.2f}"
    )
    return MergeResult(
        "conflict", name, f"{Cell.of(record)} is {what} ({record.finished}, ours {ours.finished})"
    )


def _check(record: Record) -> str:
    """Return what cannot be checked here; raises ValueError for a record that is not sound."""
    try:
        own = fingerprint_in(record)
    except (ValueError, KeyError, TypeError):
        raise ValueError("its settings or stages are not those of a protocol") from None
    if own != record.fingerprint:
        raise ValueError(
            f"its fingerprint is {record.fingerprint}, and its content gives {own}: it was changed"
        )
    if {len(record.last.correct), len(record.last.total)} != {len(record.data.class_counts)}:
        raise ValueError("its scores are of another number of classes than its training images")
    try:
        protocol = protocol_of(record.protocol, dataset(record.dataset).info)
        strange = lacking([record.method], names())
        method = None if strange else build(record.method)
    except UsageError as error:
        raise ValueError(f"this version cannot run it: {error}") from None
    _check_images(record, protocol)
    _check_shots(record)
    same = Protocol(**record.settings) == protocol
    if method is not None:
        same &= describe(method) == record.method and sources(method) == record.sources
        same &= cell_fingerprint(Cell.of(record), method, protocol) == own
    if not same:
        raise ValueError(
            f"ltbench {record.environment.ltbench} ({record.environment.commit or 'no commit'}) "
            "made it with other settings, or another file of the method, than this one has"
        )
    if strange:
        return f"there is no {', '.join(strange)} here, so its parameters could not be checked"
    return ""


def _check_shots(record: Record) -> None:
    """Raise ValueError unless the shot groups' accuracies follow from the classes'."""
    data, held_out = record.data, Protocol(**record.settings).validation
    groups = shot_groups(data.class_counts, held_out, data.many_above, data.few_below)
    for scores in filter(None, (record.last, record.best, record.selected)):
        for group in SHOTS:
            member = [c for c, each in enumerate(groups) if each == group and scores.total[c]]
            own = [100 * scores.correct[c] / scores.total[c] for c in member]
            expected, found = fmean(own) if own else None, getattr(scores, group)
            if (found is None) != (expected is None) or abs((found or 0) - (expected or 0)) > 1e-3:
                raise ValueError(f"{group} does not follow from correct and total")


def _check_images(record: Record, protocol: Protocol) -> None:
    """Raise ValueError unless the training images are as many as the draw's rule says."""
    expected = dataset(record.dataset).class_counts(
        fraction=protocol.fraction, validation=protocol.validation
    )
    if record.data.class_counts != expected:
        raise ValueError(f"{record.dataset} has other class counts under {record.protocol}")
    if (record.data.many_above, record.data.few_below) != (MANY_ABOVE, FEW_BELOW):
        raise ValueError("its shot groups are of other thresholds")
    if not re.fullmatch("[0-9a-f]{64}", record.data.indices_sha256):
        raise ValueError("its indices_sha256 is no SHA-256")


def _ours(store: Store, cell: Cell) -> Record | None:
    """Return our record of a cell; raises ValueError where a file lies that is not one."""
    try:
        ours = store.read(cell)
    except LtbenchError as error:
        raise _ConflictError(str(error).rstrip(".")) from None
    if ours is not None and Cell.of(ours) != cell:
        raise _ConflictError(f"{store.path(cell)} holds the record of another cell")
    return ours


def _check_neighbours(record: Record, store: Store) -> None:
    """Raise ValueError unless a record may be averaged with, and compared to, those around it."""
    cell = Cell.of(record)
    other = store.seed_record(cell)
    if other is not None and _kind(other) != _kind(record):
        raise _ConflictError(
            f"seed {other.seed} here was made with other settings or another file of the method"
        )
    other = other or store.split_record(cell)
    if other is not None and other.data != record.data:
        raise _ConflictError(
            f"its images are not those of our {other.dataset}, {other.protocol} "
            f"(training indices {record.data.indices_sha256[:8]}…, "
            f"ours {other.data.indices_sha256[:8]}…)"
        )


def _kind(record: Record) -> str:
    """Return the fingerprint that a record would have, were it of seed 0."""
    return fingerprint_in(record.model_copy(update={"seed": 0}))


def _add(offer: BundledRecord, record: Record, store: Store) -> Record | None:
    """Write curves and record; returns the record that somebody else wrote there meanwhile."""
    cell = Cell.of(record)
    _add_curves(offer, cell, store)
    if not _write(store.path(cell), offer.content):
        return _ours(store, cell)
    store.failure_path(cell).unlink(missing_ok=True)
    return None


def _add_curves(offer: BundledRecord, cell: Cell, store: Store) -> None:
    if offer.curves is not None and not store.curves_path(cell).exists():
        _write(store.curves_path(cell), offer.curves)


def _write(path: Path, content: bytes) -> bool:
    """Write a file whole, unless there is one by now; returns whether it was written."""
    whole = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    write_file(whole, lambda file: file.write(content))
    try:
        path.hardlink_to(whole)  # unlike a rename it never takes another's place
    except FileExistsError:
        return False
    except OSError as error:
        raise LtbenchError(
            f"cannot write {path} ({error.strerror}); choose another folder with --results."
        ) from None
    finally:
        whole.unlink(missing_ok=True)
    return True
