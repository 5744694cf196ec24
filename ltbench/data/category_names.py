"""Names of classes from the JSON that comes with a data set's lists, kept beside its images.

A competition's `categories.json` is a list of categories, its `train2018.json` has one under
`categories`; each category has an `id`, which is the label, and a `name`.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from ltbench.errors import LtbenchError, UsageError, first_line

FILES = {"inaturalist2018": ("categories.json", "train2018.json")}  # the first that is there
KEPT = "class_names.json"


def keep_names(name: str, lists: Path, folder: Path, classes: int) -> Path | None:
    """Keep the names that lie beside a data set's lists in the folder of its packed images.

    Returns the file they were in; None where there is none, or the set needs none. Raises
    UsageError for a file that does not name every class, in words.
    """
    paths = [lists / each for each in FILES.get(name, ())]
    path = next((each for each in paths if each.is_file()), None)
    if path is not None:
        names = _read(path, classes)
        content = {"names": names, "sha256": names_sha256(names)}
        (folder / KEPT).write_text(
            json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )
    return path


def kept_names(folder: Path) -> tuple[str, ...]:
    """Return the names that are kept in a folder; raises LtbenchError where they were changed."""
    path = folder / KEPT
    if not path.is_file():
        return ()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = tuple(map(str, content["names"]))
        if names_sha256(names) != content["sha256"]:
            raise ValueError("its names are not those of its hash")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LtbenchError(
            f"{path} does not read ({first_line(error)}); prepare the data set again."
        ) from None
    return names


def names_sha256(names: Sequence[str]) -> str:
    """Return the SHA-256 of names in order, one a line."""
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _read(path: Path, classes: int) -> list[str]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["categories"] if isinstance(content, dict) else content
        named = {int(row["id"]): str(row["name"]).strip() for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} does not read as categories with id and name ({first_line(error)}); use the "
            "competition's own file."
        ) from None
    if sorted(named) != list(range(classes)):
        raise UsageError(
            f"{path} names {len(named)} classes, and there are {classes}, 0 to {classes - 1}; use "
            "that of the same competition."
        )
    if bare := [label for label, name in named.items() if not any(map(str.isalpha, name))]:
        raise UsageError(
            f"{path} calls class {bare[0]} {named[bare[0]]!r}, which is no name in words; give "
            "the competition's categories.json, whose names are not hidden."
        )
    return [named[label] for label in range(classes)]
