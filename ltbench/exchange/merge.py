"""Another laboratory's records into our store: checked one by one, and nothing overwritten."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ltbench.errors import LtbenchError
from ltbench.evaluation.scores import TITLES
from ltbench.exchange.soundness import Known, check_curves, check_record
from ltbench.exchange.source import BundledRecord, RecordSource
from ltbench.runs.files import record_in, write_file
from ltbench.runs.identity import fingerprint_in
from ltbench.runs.record import Record, same_result
from ltbench.runs.store import Cell, Store
from ltbench.runs.unit import TakenError, put, sha256

MergeOutcome = Literal["added", "already there", "conflict", "refused"]
WORDS: tuple[MergeOutcome, ...] = ("added", "already there", "conflict", "refused")


@dataclass(frozen=True)
class MergeResult:
    """What became of one file that was offered."""

    word: MergeOutcome
    name: str
    reason: str = ""  # of a conflict or a refusal; of an added record, what could not be checked


class _ConflictError(ValueError):
    """Our store holds something else in this place."""


def merge(source: RecordSource, store: Store, *, dry_run: bool = False) -> Iterator[MergeResult]:
    """Add new and sound records, and yield the result of every file; `dry_run` writes nothing.

    Files are written as they came, so an environment stays what its laboratory recorded. Raises
    LtbenchError when the store cannot be written.
    """
    around = _Around(store)
    for bundled in source.records():
        try:
            yield _merged(bundled, around, dry_run=dry_run)
        except _ConflictError as error:
            yield MergeResult("conflict", bundled.name, str(error))
        except ValueError as error:
            yield MergeResult("refused", bundled.name, str(error).rstrip("."))


def _merged(bundled: BundledRecord, around: "_Around", *, dry_run: bool) -> MergeResult:
    """Add one record; raises ValueError for one that is not taken."""
    if bundled.reason:
        raise ValueError(bundled.reason)
    record, store = record_in(bundled.content), around.store
    doubt = check_record(record, around.known)
    if bundled.curves is not None:
        check_curves(bundled.curves, record)
        if record.files and sha256(bundled.curves) != record.files.get("curves"):
            raise ValueError("its curves are not those whose SHA-256 it has")
    cell = Cell.of(record)
    ours = around.record(cell)
    if ours is None:
        around.check_neighbours(record)
        ours = None if dry_run else _add(bundled, record, store)
    elif same_result(ours, record) and not dry_run:
        _add_curves(bundled, ours, store)
    if ours is None:
        around.take(record, bundled.content if dry_run else None)
        return MergeResult("added", bundled.name, doubt)
    if same_result(ours, record):
        return MergeResult("already there", bundled.name)
    raise _ConflictError(
        f"{cell} is another run, with {TITLES[record.metric]} {record.headline:.2f} where ours "
        f"has {ours.headline:.2f} ({record.finished}, ours {ours.finished})"
    )


class _Around:
    """The records that an offered one is checked against: ours, and those this merge has taken.

    Those taken count whether they were written or not, so that a dry run says what a merge would.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.known: Known = {}
        self._taken: dict[Cell, bytes] = {}  # compressed: whole ones would fill the memory
        self._methods: dict[tuple[str, ...], Record] = {}
        self._splits: dict[tuple[str, ...], Record] = {}

    def take(self, record: Record, unwritten: bytes | None) -> None:
        """Count a record as ours; `unwritten` is its file where it does not lie in the store."""
        cell = Cell.of(record)
        if unwritten is not None:
            self._taken[cell] = zlib.compress(unwritten)
        self._methods.setdefault((*_split(cell), cell.network, cell.method), record)
        self._splits.setdefault(_split(cell), record)

    def record(self, cell: Cell) -> Record | None:
        """Return our record of a cell; raises ValueError where a file lies that is not one."""
        taken = self._taken.get(cell)
        return _ours(self.store, cell) if taken is None else record_in(zlib.decompress(taken))

    def check_neighbours(self, record: Record) -> None:
        """Raise ValueError unless a record may be averaged with those around it, and compared."""
        cell = Cell.of(record)
        taken = self._methods.get((*_split(cell), cell.network, cell.method))
        other = taken or next(self.store.seed_records(cell), None)
        if other is not None and _key_of(other) != _key_of(record):
            raise _ConflictError(
                f"seed {other.seed} here was made with other settings or another file of the method"
            )
        if other is not None and other.pretrained_sha256 != record.pretrained_sha256:
            raise _ConflictError(f"seed {other.seed} here began from other pretrained weights")
        other = other or self._splits.get(_split(cell)) or self.store.split_record(cell)
        if other is not None and not other.data.same_as(record.data):
            same = other.data.indices_sha256 == record.data.indices_sha256
            kind = "pixels_sha256" if same else "indices_sha256"
            raise _ConflictError(
                f"its images are not those of our {other.dataset}, {other.protocol} "
                f"({kind} {getattr(record.data, kind)[:8]}…, "
                f"ours {getattr(other.data, kind)[:8]}…)"
            )


def _split(cell: Cell) -> tuple[str, str]:
    return cell.dataset, cell.protocol


def _ours(store: Store, cell: Cell) -> Record | None:
    """Return our record of a cell; raises ValueError where a file lies that is not one."""
    try:
        ours = store.read(cell)
    except LtbenchError as error:
        raise _ConflictError(str(error).rstrip(".")) from None
    if ours is not None and Cell.of(ours) != cell:
        raise _ConflictError(f"{store.path(cell)} holds the record of another cell")
    return ours


def _key_of(record: Record) -> str:
    """Return the fingerprint that a record would have, were it of seed 0."""
    return fingerprint_in(record.model_copy(update={"seed": 0}))


def _add(bundled: BundledRecord, record: Record, store: Store) -> Record | None:
    """Write a record with its curves; returns what somebody else wrote there meanwhile."""
    files = {} if bundled.curves is None else {"curves": bundled.curves}
    try:
        put(store, record, bundled.content, files, instead_of=None)
    except TakenError:
        return _ours(store, Cell.of(record))
    return None


def _add_curves(bundled: BundledRecord, ours: Record, store: Store) -> None:
    """Give our record the curves that it has lost."""
    if bundled.curves is None:
        return
    curves, path = bundled.curves, store.curves_path(Cell.of(ours))
    own = sha256(curves) == ours.files.get("curves") if ours.files else not path.exists()
    if own and not (path.exists() and path.read_bytes() == curves):
        write_file(path, lambda file: file.write(curves))
