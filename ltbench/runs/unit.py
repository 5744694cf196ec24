"""A record and the files beside it are one unit: their SHA-256 are in the record, written last.

    1. every file is written under a name of its own, with its hash
    2. the record takes its place: before this the old unit stands, from here on the new one
    3. the files take their places

A reader asks `find`, which knows a file by the hash in the record: so whatever stopped a writer, it
sees the old record with its files, or the new one with those. Records from before these hashes have
what lies in the places.
"""

import hashlib
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.files import sync_folder, write_file, write_new, write_text
from ltbench.runs.record import Record
from ltbench.runs.store import Cell, Store

# Where a record's file lies, by kind.
PLACES: dict[str, Callable[[Store, Record], Path]] = {
    "curves": lambda store, record: store.curves_path(Cell.of(record)),
    "logits": lambda store, record: store.logits_path(record.fingerprint),
    "weights": lambda store, record: store.weights_path(Cell.of(record)),
}


class TakenError(LtbenchError):
    """Another record has come into a cell's place, which nobody overwrites."""


def write_unit(
    store: Store, record: Record, files: Mapping[str, bytes], instead_of: bytes | None
) -> Record:
    """Write a record with the files beside it, by kind, and return it with their hashes.

    It replaces `instead_of`, the content of the record that was there. Raises TakenError where
    there is another by now, LtbenchError where the store cannot be written; the old unit then
    stands whole.
    """
    record = record.model_copy(update={"files": {k: sha256(v) for k, v in files.items()}})
    content = (record.model_dump_json(indent=1) + "\n").encode()
    put(store, record, content, files, instead_of)
    return record


def put(
    store: Store,
    record: Record,
    content: bytes,
    files: Mapping[str, bytes],
    instead_of: bytes | None,
) -> None:
    """Write a record, whose file is `content`, and the files beside it as `write_unit` does."""
    cell = Cell.of(record)
    staged = {_staged(PLACES[k](store, record), sha256(v)): v for k, v in files.items()}
    try:
        for path, each in staged.items():
            write_file(path, lambda file, each=each: file.write(each))  # type: ignore[misc]
        if instead_of is None:
            written = write_new(store.path(cell), content)
        elif written := store.content(cell) == instead_of:
            write_text(store.path(cell), content.decode())
        if not written:
            raise TakenError(f"{cell} has another record by now; it is kept.")
    except BaseException:
        if store.content(cell) != content:  # else it stands, and its files are found
            for path in staged:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        raise
    for path in staged:
        settle(path)
    store.failure_path(cell).unlink(missing_ok=True)


def file_of(store: Store, record: Record, kind: str) -> Path | None:
    """Return the file of a kind that is a record's, None if it is not here.

    Raises LtbenchError where another file, a link or a pipe is in its place.
    """
    place, digest = PLACES[kind](store, record), record.files.get(kind)
    if record.files and digest is None:
        return None
    if digest is not None and (staged := _staged(place, digest)).exists() and not settle(staged):
        return staged
    try:
        if not stat.S_ISREG(place.lstat().st_mode):
            raise _not_its_own(place, "it is no regular file")
        if digest is not None and sha256(place.read_bytes()) != digest:
            raise _not_its_own(place, "its SHA-256 is another")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _not_its_own(place, f"it does not read: {error.strerror}") from None
    return place


def _not_its_own(place: Path, reason: str) -> LtbenchError:
    return LtbenchError(
        f"{place} is not the file that belongs to its record, for {reason}; "
        "restore it from a backup, or delete it and train again."
    )


def recover(store: Store, cell: Cell, fingerprints: Iterable[str] = ()) -> None:
    """Finish what a killed writer of a cell's unit left undone, and remove what is of no unit.

    Call it only under the training's lock.
    """
    with suppress(LtbenchError):  # what does not read or fit is named where it is needed
        record = store.read(cell)
        for kind in record.files if record is not None else ():
            file_of(store, record, kind)  # type: ignore[arg-type]
    store.sweep(cell, *fingerprints)


def set_aside(store: Store, record: Record) -> None:
    """Copy a record and its curves into a folder of their own beside their place.

    It bears the fingerprint, and nothing that reads the store reads it.
    """
    path = store.path(Cell.of(record))
    with suppress(LtbenchError):  # curves that are not its own
        for each in filter(None, (file_of(store, record, "curves"), path)):
            content = each.read_bytes()
            write_file(
                path.parent / record.fingerprint / path.with_suffix(each.suffix).name,
                lambda file, content=content: file.write(content),  # type: ignore[misc]
            )


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def _staged(place: Path, digest: str) -> Path:
    """Return where a file waits for its record."""
    return place.with_name(f"{place.name}.{digest[:12]}.new")


def settle(staged: Path) -> bool:
    """Give a file whose record is written its place; returns whether the store let it."""
    place = staged.with_name(staged.name.rsplit(".", 2)[0])
    try:
        staged.replace(place)
    except FileNotFoundError:  # another reader did
        return True
    except OSError:  # of a store that may only be read
        return False
    sync_folder(place.parent)
    return True
