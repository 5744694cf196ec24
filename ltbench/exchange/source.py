"""What another laboratory offers: the records of a bundle or a folder, read with suspicion.

Names inside an archive choose no path here: a record's own cell does. Those that point outside are
refused all the same, for whoever made them meant something by it.
"""

import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from ltbench.data.zipped import unpack
from ltbench.errors import LtbenchError, UsageError, first_line
from ltbench.exchange.bundle import MANIFEST, BundleManifest
from ltbench.runs.files import LARGEST, content_of, is_record
from ltbench.runs.record import SCHEMA_VERSION
from ltbench.runs.store import Store
from ltbench.runs.unit import sha256

LARGEST_MANIFEST = 2**26  # bytes; a file is named by some 150
LARGEST_WHOLE = 2**31  # bytes of all files unpacked
MOST = 200_000  # files
Read = Callable[[], bytes]  # raises ValueError with the reason in words


@dataclass(frozen=True)
class BundledRecord:
    """A record's file and its curves', or why they are not taken."""

    name: str
    content: bytes = b""
    curves: bytes | None = None
    reason: str = ""


@dataclass(frozen=True)
class RecordSource:
    """The files of a bundle or a folder by name, and the manifest if there is one."""

    files: Mapping[str, Read]
    manifest: BundleManifest | None
    strange: dict[str, str]  # names that are no name of a store's file, with the reason

    def records(self) -> Iterator[BundledRecord]:
        """Yield every record that there should be, and what is there besides."""
        yield from (BundledRecord(name, reason=reason) for name, reason in self.strange.items())
        listed = self.manifest.files if self.manifest is not None else {}
        for name in sorted({*self.files, *listed} - self.strange.keys()):
            path = PurePosixPath(name)
            if path.suffix == ".json":
                yield self._bundled(path, listed)
            elif str(path.with_suffix(".json")) not in {*self.files, *listed}:
                yield BundledRecord(name, reason="it is the curves of no record here")

    def _bundled(self, path: PurePosixPath, listed: dict[str, str]) -> BundledRecord:
        try:
            content = self._content(str(path), listed)
            curves = str(path.with_suffix(".csv"))
            if curves not in self.files and curves not in listed:
                return BundledRecord(str(path), content)
            return BundledRecord(str(path), content, self._content(curves, listed))
        except ValueError as error:
            return BundledRecord(str(path), reason=str(error))

    def _content(self, name: str, listed: dict[str, str]) -> bytes:
        if name not in self.files:
            raise ValueError(f"the manifest names {name}, which is missing")
        content = self.files[name]()
        if self.manifest is not None and name not in listed:
            raise ValueError(f"the manifest does not name {name}")
        if self.manifest is not None and sha256(content) != listed[name]:
            raise ValueError(f"the checksum of {name} is not the manifest's")
        return content


def read_source(path: Path) -> RecordSource:
    """Return a bundle, an unpacked one, or a results folder as a source; reads no record yet.

    Raises UsageError for anything else, LtbenchError for a manifest that does not read or is of
    another version.
    """
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a bundle or a results folder.")
    try:
        if not path.is_file():
            raise zipfile.BadZipFile("it is no regular file")
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive breaks its reader in many ways
        raise UsageError(
            f"{path} is no bundle ({first_line(error)}); what was unpacked merges as a folder, "
            "unpacked, and `ltbench export --format bundle --output records.zip` makes a bundle."
        ) from None
    return _archive(path, archive)


def _folder(path: Path) -> RecordSource:
    budget = _Budget()
    files = {
        found.relative_to(path).as_posix(): partial(_read, found, budget)
        for record in Store(path).record_paths()
        for found in (record, record.with_suffix(".csv"))
        if found.exists() or found.is_symlink()
    }
    _check_number(path, len(files))
    listed = path / MANIFEST
    if not files and not listed.exists():
        raise UsageError(f"{path} holds no records; give a bundle or a results folder.")
    read = partial(content_of, listed, LARGEST_MANIFEST)
    manifest = _manifest(listed, read) if listed.exists() else None
    return RecordSource(files, manifest, {})


def _archive(path: Path, archive: zipfile.ZipFile) -> RecordSource:
    files: dict[str, Read] = {}
    strange: dict[str, str] = {}
    budget = _Budget()
    _check_number(path, len(archive.infolist()))
    for entry in archive.infolist():
        name = entry.filename
        if entry.is_dir() and not entry.file_size:
            continue  # as most programs write beside the files, of what was zipped again
        if name in files:
            strange[name] = "the archive holds it twice"
        elif name != MANIFEST and (reason := _strange(entry)):
            strange[name] = reason
        if name == MANIFEST:
            files[name] = partial(_unpack, archive, entry, _Budget(), LARGEST_MANIFEST)
        else:
            files[name] = partial(_unpack, archive, entry, budget, LARGEST)
    if MANIFEST not in files:
        raise UsageError(
            f"{path} is no bundle (it has no {MANIFEST} of its own); what was unpacked and zipped "
            "again merges as a folder, unpacked, and "
            "`ltbench export --format bundle --output records.zip` makes a bundle."
        )
    return RecordSource(files, _manifest(path, files.pop(MANIFEST)), strange)


def _strange(entry: zipfile.ZipInfo) -> str:
    """Return why an archive's entry is no file of a store, or nothing."""
    name, path = entry.filename, PurePosixPath(entry.filename)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        return "its name points outside the archive"
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        return "it is no plain file"
    if str(path) != name or len(path.parts) != 6 or path.parts[0] != "runs":
        return "it is no file of a store"
    named_so = is_record(Path(name)) and path.suffix in (".json", ".csv")
    return "" if named_so and path.name.startswith("seed") else "it is neither record nor curves"


def _manifest(path: Path, read: Read) -> BundleManifest:
    try:
        manifest = BundleManifest.model_validate_json(read())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        reason = f"{where}: {problem['msg']}" if where else str(problem["msg"])
        raise LtbenchError(
            f"the manifest of {path} does not read ({reason}); get it anew."
        ) from None
    except (OSError, ValueError) as error:
        raise LtbenchError(
            f"the manifest of {path} does not read ({error}); get it anew."
        ) from None
    if manifest.schema_version != SCHEMA_VERSION:
        raise LtbenchError(
            f"{path} holds records of schema version {manifest.schema_version}, and this version "
            f"of ltbench reads {SCHEMA_VERSION}; use ltbench {manifest.ltbench}."
        )
    return manifest


@dataclass
class _Budget:
    """What may still be unpacked of a whole bundle, in bytes."""

    left: int = field(default_factory=lambda: LARGEST_WHOLE)

    def spend(self, count: int) -> None:
        """Raise ValueError where a bundle unpacks to more than any has."""
        self.left -= count
        if self.left < 0:
            raise ValueError(f"the files before it have more than {LARGEST_WHOLE >> 30} GiB")


def _check_number(path: Path, count: int) -> None:
    if count > MOST:
        raise UsageError(f"{path} has {count} files, more than {MOST}; split it into several.")


def _unpack(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: _Budget, largest: int
) -> bytes:
    content = unpack(archive, entry, largest)
    budget.spend(len(content))
    return content


def _read(path: Path, budget: _Budget) -> bytes:
    try:
        content = content_of(path)
    except OSError as error:
        raise ValueError(f"{path.name} does not read ({error.strerror})") from None
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None
    budget.spend(len(content))
    return content
