"""A bundle: records and curves in one zip archive, with a manifest of their checksums.

    manifest.json                                     format, schema version, SHA-256 by file
    runs/<data set>/<protocol>/<network>/<method>/seed0.json, seed0.csv      as in the store

The same files give the same bytes: names are sorted, and no time or machine is written down.
"""

import json
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import BinaryIO, Literal

from pydantic import Field

from ltbench import __version__
from ltbench.data.zipped import add
from ltbench.errors import LtbenchError
from ltbench.runs.record import SCHEMA_VERSION, Model, Record
from ltbench.runs.store import Cell, Store
from ltbench.runs.unit import file_of

MANIFEST = "manifest.json"
FORMAT: Literal["ltbench bundle 1"] = "ltbench bundle 1"


class BundleManifest(Model):
    """The content of `manifest.json`."""

    format: Literal["ltbench bundle 1"] = FORMAT
    schema_version: int  # of the records
    ltbench: str  # version that wrote it
    records: int = Field(ge=0)
    files: dict[str, str]  # SHA-256 by name


def write_bundle(store: Store, records: Iterable[Record], file: BinaryIO) -> int:
    """Write records with their curves as a bundle and return how many records it holds."""
    sums: dict[str, str] = {}
    count = 0
    with zipfile.ZipFile(file, "w") as archive:
        for record in records:
            path = store.path(Cell.of(record))
            name = PurePosixPath(path.relative_to(store.root)).with_suffix
            sums[str(name(".json"))] = add(archive, str(name(".json")), path.read_bytes())
            try:
                curves = file_of(store, record, "curves")
            except LtbenchError as error:
                store.problems.append(str(error))
                curves = None
            if curves is not None:  # a record may have lost them
                sums[str(name(".csv"))] = add(archive, str(name(".csv")), curves.read_bytes())
            count += 1
        manifest = BundleManifest(
            schema_version=SCHEMA_VERSION, ltbench=__version__, records=count, files=sums
        )
        add(archive, MANIFEST, (json.dumps(manifest.model_dump(), indent=1) + "\n").encode())
    return count
