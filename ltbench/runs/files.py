"""Files of the store: written whole or not at all, read strictly; and the one form of CSV."""

import csv
import errno
import io
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from ltbench.errors import LtbenchError, printable
from ltbench.runs.record import SCHEMA_VERSION, Failure, Record

LARGEST = 2**22  # bytes of a record or its curves; a record of 8,142 classes has half a million


def read_record(path: Path) -> Record:
    """Return the record in a file; raises LtbenchError naming the file and the remedy.

    Raises FileNotFoundError if there is none.
    """
    try:
        return record_in(content_of(path))
    except FileNotFoundError:
        raise
    except NewerVersionError as error:
        raise LtbenchError(f"{path} does not read here ({error}); update ltbench.") from None
    except PermissionError as error:
        raise LtbenchError(
            f"{path} may not be read ({error.strerror}); change its permissions."
        ) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, str(error)) from None


class NewerVersionError(ValueError):
    """A record of a later ltbench: it is whole, and not for this version to judge."""


def content_of(path: Path, largest: int = LARGEST) -> bytes:
    """Return the bytes of a regular file; a link, a pipe or a device is none.

    Raises ValueError for one that is not, or has more than `largest` bytes, and OSError.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("it is no regular file")
    with path.open("rb") as file:
        content = file.read(largest + 1)  # its size as stated may be a lie
    if len(content) > largest:
        raise ValueError(f"it has more than {largest >> 20} MiB, which none of ltbench's has")
    return content


def record_in(content: bytes) -> Record:
    """Return the record that a file's content is; raises ValueError with the reason in words."""
    try:
        record = Record.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(_other_version(content) or _first(error)) from None
    if "schema_version" not in record.model_fields_set:
        raise ValueError(_other_version(content))
    _check_printable(content, record)
    return record


def _check_printable(content: bytes, record: Record) -> None:
    """Raise ValueError for a text that does not print: it would command the reader's terminal."""
    text = content.decode()
    if "\\" not in text and "".join(text.split("\n")).isprintable():
        return
    for each in texts_of(record.model_dump(mode="json")):
        if not each.isprintable():
            raise ValueError("it has a text with a character that does not print")


def texts_of(value: Any) -> Iterator[str]:
    """Yield every text in plain data, the keys among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *texts_of(each))
    elif isinstance(value, list):
        for each in value:
            yield from texts_of(each)


def _other_version(content: bytes) -> str:
    """Return a sentence on the schema version of a file that is no record of this one, else ""."""
    try:
        version = json.loads(content).get("schema_version")
    except (ValueError, AttributeError, RecursionError) as error:
        return str(error)
    if version == SCHEMA_VERSION:
        return ""
    reason = f"its schema version is {version!r}, not {SCHEMA_VERSION}"
    if type(version) is int and version > SCHEMA_VERSION:
        raise NewerVersionError(reason)
    return reason


def is_record(path: Path) -> bool:
    """Return whether a file of the store is named as a record is."""
    return path.stem.removeprefix("seed").isdecimal()


def read_failure(path: Path) -> Failure:
    """Return the failure record in a file; raises LtbenchError naming the file."""
    try:
        failure = Failure.model_validate_json(content_of(path))
        return failure.model_copy(update={"error": printable(failure.error)})
    except (OSError, ValueError) as error:
        reason = _first(error) if isinstance(error, ValidationError) else str(error)
        raise unreadable(path, reason) from None


def unreadable(path: Path, reason: str) -> LtbenchError:
    """Return the error for a file of the store that cannot be used."""
    return LtbenchError(
        f"{path} does not read ({reason}); restore it from a backup or delete it and run again."
    )


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows, the header's first, as CSV with Unix line ends; None is an empty field."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def four_decimals(value: float | None) -> str:
    """Return a number as files keep it: more decimals would differ between machines."""
    return "" if value is None else f"{value:z.4f}"


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_file(path, lambda file: file.write(text.encode()))


def write_file(path: Path, fill: Callable[[BinaryIO], object], option: str = "--results") -> None:
    """Let `fill` write a temporary file, flush it to the disk, and give it its name.

    Raises LtbenchError when the folder cannot be written or the disk is full, naming the option
    that chose it; the old file, if there was one, is then still whole.
    """
    with _filled(path, fill, option) as temporary:
        temporary.replace(path)


def write_new(path: Path, content: bytes) -> bool:
    """Write a file whole, unless there is one by now; returns whether it was written.

    Raises LtbenchError as `write_file` does.
    """
    with _filled(path, lambda file: file.write(content), "--results") as temporary:
        try:
            path.hardlink_to(temporary)  # unlike a rename it never takes another's place
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in REFUSALS:
                raise
            if path.exists():  # between this check and the rename is a moment without protection
                return False
            temporary.replace(path)
    return True


@contextmanager
def _filled(path: Path, fill: Callable[[BinaryIO], object], option: str) -> Iterator[Path]:
    """Yield a whole temporary file beside a path; whatever the block made of it is durable."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        made = _make_folder(path.parent)
        with temporary.open("xb") as file:  # with the permissions that the user's umask leaves
            fill(file)
            file.flush()
            _sync(file.fileno())
        yield temporary
        for folder in (path.parent, *made):
            sync_folder(folder)
    except OSError as error:
        raise LtbenchError(
            f"cannot write {path} ({error.strerror or error}); "
            f"free some space or choose another folder with {option}."
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


# What file systems say to what they do not have: hard links on FAT, fsync on some of FUSE.
REFUSALS = {errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


def _make_folder(folder: Path) -> list[Path]:
    """Make a folder with all above it; return the folders that have a new name in them."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return [each.parent for each in missing]


def sync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk, where the system can: a rename alone may be lost."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # as on Windows
        return
    try:
        _sync(handle)
    finally:
        os.close(handle)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in REFUSALS:
            raise


def _first(error: ValidationError) -> str:
    problem = error.errors()[0]
    field = ".".join(map(str, problem["loc"]))
    return f"{field}: {problem['msg']}" if field else str(problem["msg"])
