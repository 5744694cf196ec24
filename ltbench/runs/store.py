"""The store: one JSON file a record, written once, whole or not at all.

    results/runs/<dataset>/<protocol>/<network>/<method>/seed0.json     the record
    results/runs/…/seed0.csv                                            its curves
    results/runs/…/seed0.safetensors                                    its weights, if kept
    results/runs/…/seed0.failed.json                                    why the last try stopped
    results/work/<fingerprint>/                                         checkpoint, weights, lock

The path is a slug for people; the record is the truth. `work` is scratch and not for sharing.
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ltbench.errors import LtbenchError
from ltbench.runs.files import content_of, is_record, read_failure, read_record, write_text
from ltbench.runs.record import Failure, Record


@dataclass(frozen=True, order=True)
class Cell:
    """One place in the grid of runs, as canonical specifications."""

    dataset: str
    protocol: str
    network: str
    method: str
    seed: int

    @classmethod
    def of(cls, record: Record | Failure) -> "Cell":
        """Return the cell that a record fills."""
        return cls(record.dataset, record.protocol, record.network, record.method, record.seed)

    def __str__(self) -> str:
        return f"{self.method} on {self.dataset}, {self.network}, {self.protocol}, seed {self.seed}"


HALF_WRITTEN = ("*.tmp", "*.new")  # files that have not their names yet

_TERM = r"[a-z0-9_@]+(\([a-z0-9_]+=[a-z0-9_.]+(, [a-z0-9_]+=[a-z0-9_.]+)*\))?"
_SIMPLE = re.compile(rf"{_TERM}(\+{_TERM})*")
_NO_FILE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.", re.IGNORECASE)  # on Windows


def slug(specification: str) -> str:
    """Return a file name for a specification: readable, and unique.

    `sam(rho=0.8)` becomes `sam-rho=0.8`; what cannot be written so without loss, on any system,
    gets a hash.
    """
    readable = re.sub(r"[^A-Za-z0-9_.+=@]+", "-", specification).strip("-")[:80]
    if _NO_FILE.fullmatch(readable):
        readable = readable.replace(".", "-")
    elif _SIMPLE.fullmatch(specification) and len(specification) <= 80:
        return readable.replace("-+", "+")
    return f"{readable}-{hashlib.sha256(specification.encode()).hexdigest()[:6]}"


@dataclass
class Store:
    """The records under one results folder."""

    root: Path
    problems: list[str] = field(default_factory=list)  # files that `records` had to leave out

    def __init__(self, root: str | Path) -> None:
        """Raise LtbenchError for a root that cannot be a folder."""
        self.root, self.problems = Path(root).expanduser(), []
        existing = next(
            path for path in (self.root, *self.root.absolute().parents) if path.exists()
        )
        if not existing.is_dir():
            raise LtbenchError(
                f"{self.root} cannot be a folder, for {existing} is a file; "
                "choose another with --results."
            )

    def check_writable(self) -> None:
        """Raise LtbenchError if no file can be written below the root."""
        existing = next(p for p in (self.root, *self.root.absolute().parents) if p.exists())
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            raise LtbenchError(
                f"results folder {self.root} cannot be written ({error.strerror}); "
                "choose another with --results."
            ) from None

    def path(self, cell: Cell) -> Path:
        """Return where a cell's record lies."""
        folder = self.root / "runs" / slug(cell.dataset) / slug(cell.protocol)
        return folder / slug(cell.network) / slug(cell.method) / f"seed{cell.seed}.json"

    def curves_path(self, cell: Cell) -> Path:
        """Return where a cell's curves lie, one row an epoch."""
        return self.path(cell).with_suffix(".csv")

    def weights_path(self, cell: Cell) -> Path:
        """Return where a cell's kept weights lie."""
        return self.path(cell).with_suffix(".safetensors")

    def failure_path(self, cell: Cell) -> Path:
        """Return where the reason of a failed try lies."""
        return self.path(cell).with_suffix(".failed.json")

    def work(self, fingerprint: str) -> Path:
        """Return the scratch folder of one training."""
        return self.root / "work" / fingerprint

    def checkpoint_path(self, fingerprint: str) -> Path:
        """Return where a training's checkpoint lies."""
        return self.work(fingerprint) / "checkpoint.pt"

    def logits_path(self, fingerprint: str) -> Path:
        """Return where the logits lie that a record was scored by."""
        return self.work(fingerprint) / "logits.npz"

    def read(self, cell: Cell) -> Record | None:
        """Return a cell's record, or None; raises LtbenchError for a file that does not read."""
        try:
            return read_record(self.path(cell))
        except FileNotFoundError:
            return None

    def write(self, record: Record) -> Path:
        """Write a record and remove the failure it makes good."""
        path = self.path(Cell.of(record))
        write_text(path, record.model_dump_json(indent=1) + "\n")
        self.failure_path(Cell.of(record)).unlink(missing_ok=True)
        return path

    def content(self, cell: Cell) -> bytes | None:
        """Return the bytes in a record's place: None if nothing is there, b"" of a folder."""
        try:
            return content_of(self.path(cell))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return b""

    def write_failure(self, failure: Failure) -> Path:
        """Write why a run stopped."""
        path = self.failure_path(Cell.of(failure))
        write_text(path, failure.model_dump_json(indent=1) + "\n")
        return path

    def scratch_bytes(self) -> int:
        """Return how many bytes lie under `work`."""
        return sum(path.stat().st_size for path in (self.root / "work").glob("*/*"))

    def sweep(self, cell: Cell, *fingerprints: str) -> None:
        """Remove what a killed run left half-written; call it only under the training's lock."""
        for ending in HALF_WRITTEN:
            for path in self.path(cell).parent.glob(f"seed{cell.seed}.{ending}"):
                path.unlink(missing_ok=True)
        for fingerprint in fingerprints:
            self.sweep_work(fingerprint)

    def sweep_work(self, fingerprint: str) -> None:
        """Remove what a killed run left half-written in a training's folder, under its lock."""
        for ending in HALF_WRITTEN:
            for path in self.work(fingerprint).glob(ending):
                path.unlink(missing_ok=True)

    def record_paths(self, under: str = "*/*/*/*") -> Iterator[Path]:
        """Yield the files that are named as records are, in path order."""
        self.check_readable()
        return filter(is_record, sorted((self.root / "runs").glob(f"{under}/seed*.json")))

    def check_readable(self) -> None:
        """Raise LtbenchError where records cannot be looked for: a search finds nothing there."""
        for folder in (self.root, self.root / "runs"):
            try:
                os.scandir(folder).close()
            except PermissionError as error:
                raise LtbenchError(
                    f"{folder} may not be read ({error.strerror}); change its permissions, or "
                    "name another folder with --results."
                ) from None
            except OSError:  # there is none
                return

    def records(self, name: str = "") -> Iterator[Record]:
        """Yield every readable record in path order; the others are named in `problems`.

        `name` limits them to a data set's, at any ratio.
        """
        self.problems.clear()
        for path in self.record_paths(f"{name}*/*/*/*"):
            try:
                record = read_record(path)
            except LtbenchError as error:
                self.problems.append(str(error))
                continue
            if self.path(Cell.of(record)) != path:
                self.problems.append(f"{path} holds the record of another cell; move or delete it.")
                continue
            yield record

    def failures(self) -> Iterator[Failure]:
        """Yield the reasons of failed tries; those that do not read are added to `problems`."""
        for path in sorted((self.root / "runs").glob("*/*/*/*/seed*.failed.json")):
            try:
                yield read_failure(path)
            except LtbenchError as error:
                self.problems.append(str(error))

    def seeds(self, cell: Cell) -> list[int]:
        """Return the seeds of which there is a record, all else being the cell's."""
        return sorted(int(path.stem.removeprefix("seed")) for path in self._beside(cell))

    def seed_records(self, cell: Cell) -> Iterator[Record]:
        """Yield the readable records that differ from a cell in nothing but their seed."""
        return _readable(self._beside(cell))

    def split_record(self, cell: Cell) -> Record | None:
        """Return a readable record of the cell's data set and protocol, or None."""
        dataset, protocol, *_ = self._folder(cell).parts[-4:]
        return next(_readable(self.record_paths(f"{dataset}/{protocol}/*/*")), None)

    def protocols(self, cell: Cell) -> list[str]:
        """Return the protocols of which there is a record, all else but seeds being the cell's."""
        dataset, _, network, method = self._folder(cell).parts[-4:]
        paths = self.record_paths(f"{dataset}/*/{network}/{method}")
        folders = (members for _, members in groupby(paths, lambda path: path.parent))
        # One record tells the protocol for all beside it.
        first_records = (next(_readable(members), None) for members in folders)
        return sorted({record.protocol for record in first_records if record is not None})

    def _folder(self, cell: Cell) -> Path:
        return self.path(cell).parent

    def _beside(self, cell: Cell) -> Iterator[Path]:
        return self.record_paths("/".join(self._folder(cell).parts[-4:]))


def _readable(paths: Iterable[Path]) -> Iterator[Record]:
    for path in paths:
        with suppress(LtbenchError, FileNotFoundError):
            yield read_record(path)
